import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, toView } from '@/app/_lib/login'
import { VerifyForm } from '@/components/login/verify-form'
import { notify, requests, signin, users } from '@/lib'
import { Branded, FlowProblem, waitingClient } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('verify.title') }
}

export default async function VerifyPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  if (!flow) redirect('/signin/start')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const { step, verification, notice, signingUp, request } = found.value
  if (step !== 'verify_email' || !verification) redirect(at('/signin', flow))
  const phone = verification.purpose === 'phone_sign_in'
  return (
    <Branded client={await waitingClient(request, caller)}>
      <VerifyForm
        flow={flow}
        action="/verify/submit"
        resendAction="/verify/resend"
        email={phone ? null : verification.to}
        phone={phone ? users.readablePhone(verification.to) : null}
        resendAt={verification.resendAt}
        expiresAt={verification.expiresAt}
        now={requests.nowMs()}
        notice={toView(notice)}
        resent={verification.resent}
        smsTrouble={phone && (await notify.sms.troubled()) ? at('/signin', flow) : null}
        changeHref={at(signingUp ? '/signup' : phone ? '/signin/phone' : '/signin', flow)}
        mailboxHref={
          (phone ? notify.sms.inMailbox() : requests.settings().mailbox)
            ? `/dev/mailbox?to=${encodeURIComponent(verification.to)}`
            : null
        }
      />
    </Branded>
  )
}
