import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, startAgain, toView } from '@/app/_lib/login'
import { DetailsForm } from '@/components/login/details-form'
import { signin } from '@/lib'
import { Branded, FlowProblem, waitingClient } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('details.title') }
}

/** Somebody new: what is missing of a name and an address; the account is made with it. */
export default async function DetailsPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  if (!flow) redirect('/signin/start')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const { step, newcomer, typed, notice, request } = found.value
  if (step !== 'details' || !newcomer) redirect(at('/signin', flow))
  return (
    <Branded client={await waitingClient(request, caller)}>
      <DetailsForm
        flow={flow}
        action="/signup/details/submit"
        newcomer={newcomer}
        // What was typed and refused stays as it was typed.
        typed={typed.firstName === undefined ? null : typed}
        notice={toView(notice)}
        againHref={newcomer.provider ? startAgain(request) : null}
      />
    </Branded>
  )
}
