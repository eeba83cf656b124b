import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query } from '@/app/_lib/login'
import { CodesForm } from '@/components/login/codes-form'
import { requests, signin } from '@/lib'
import { Branded, FlowProblem, waitingClient } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.codes'))('title') }
}

/** The backup codes that came with somebody's first second factor. */
export default async function CodesPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  if (!flow) redirect('/signin/start')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const { step, backupCodes, typed, request } = found.value
  if (step !== 'backup_codes' || !backupCodes) redirect(at('/signin', flow))
  return (
    <Branded client={await waitingClient(request, caller)}>
      <CodesForm
        flow={flow}
        action="/signin/codes/submit"
        codes={backupCodes}
        product={requests.settings().productName}
        account={typed.email}
      />
    </Branded>
  )
}
