import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, homeCountry, one, type Query, toView } from '@/app/_lib/login'
import { PhoneForm } from '@/components/login/phone-form'
import { notify, signin } from '@/lib'
import { Branded, FlowProblem, waitingClient } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('phone.title') }
}

export default async function PhonePage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  if (!flow) redirect('/signin/start')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const { step, signedInSince, notice, ways, request } = found.value
  const begins = step === 'identify' || step === 'verify_email'
  if (!begins || signedInSince || !ways.includes('sms_code') || !notify.sms.enabled())
    redirect(at('/signin', flow))
  return (
    <Branded client={await waitingClient(request, caller)}>
      <PhoneForm
        flow={flow}
        action="/signin/phone/submit"
        countries={notify.sms.countries()}
        country={await homeCountry()}
        notice={toView(notice)}
        troubled={await notify.sms.troubled()}
        backHref={at('/signin', flow)}
      />
    </Branded>
  )
}
