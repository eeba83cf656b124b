import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, toView } from '@/app/_lib/login'
import { DetailsForm } from '@/components/login/details-form'
import { signin } from '@/lib'
import { FlowProblem } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('details.title') }
}

/** Somebody new whose address is proven says what to call them; the account is made with it. */
export default async function DetailsPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  if (!flow) redirect('/signin/start')
  const found = await signin.expect(flow, await currentCaller())
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const { step, newcomer, notice } = found.value
  if (step !== 'details' || !newcomer) redirect(at('/signin', flow))
  return <DetailsForm flow={flow} action="/signup/details/submit" email={newcomer} notice={toView(notice)} />
}
