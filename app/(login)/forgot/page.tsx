import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query } from '@/app/_lib/login'
import { AskAddressForm } from '@/components/login/ask-address-form'
import { requests, signin } from '@/lib'
import { Branded, waitingClient } from '../_parts'
import { forgotOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.forgot'))('title') }
}

export default async function ForgotPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  const caller = await currentCaller()
  const [t, outcome, attempt, recover] = await Promise.all([
    getTranslations('recovery.forgot'),
    forgotOutcome.last(),
    flow ? signin.expect(flow, caller) : null,
    getTranslations('recovery.recover'),
  ])
  const refused = outcome && 'refused' in outcome ? outcome : null
  const running = attempt?.ok ? attempt.value : null
  return (
    <Branded client={await waitingClient(running?.request ?? null, caller)}>
      <AskAddressForm
        title={t('title')}
        lead={t('lead')}
        action="/forgot/submit"
        hidden={running ? { flow } : {}}
        email={refused?.email ?? running?.typed.email}
        notice={refused?.refused}
        submit={t('submit')}
        bottom={
          <div className="grid gap-1">
            <p>
              <a href={running ? at('/signin', flow) : '/signin/start'} className="link">
                {t('back')}
              </a>
            </p>
            {requests.settings().recoverySeconds > 0 ? (
              <p>
                {t('lost')}{' '}
                <a href="/recover" className="link">
                  {recover('title')}
                </a>
              </p>
            ) : null}
          </div>
        }
      />
    </Branded>
  )
}
