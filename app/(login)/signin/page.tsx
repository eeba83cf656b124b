import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, toView } from '@/app/_lib/login'
import { AuthCard } from '@/components/login/auth-shell'
import { SignInForm } from '@/components/login/sign-in-form'
import { SubmitButton } from '@/components/ui/submit-button'
import { notify, requests, sessions, signin } from '@/lib'
import { FlowProblem, waitingClient } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('sign_in.title') }
}

export default async function SignInPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  if (!flow) redirect('/signin/start')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const view = found.value
  if (view.step === 'done')
    return <Done flow={flow} signedIn={(await sessions.check(caller.cookies)) !== null} />
  if (view.signedInSince) redirect(onwards(view))
  if (
    view.step === 'verify_email' &&
    view.verification?.purpose === 'email_verification' &&
    !view.signingUp
  ) {
    redirect(at('/verify', flow))
  }
  if (view.step === 'details') redirect(at('/signup/details', flow))
  const { signUp } = requests.settings()
  return (
    <SignInForm
      flow={flow}
      action="/signin/password"
      codeAction="/signin/code"
      phoneHref={notify.sms.enabled() && !view.reauth ? at('/signin/phone', flow) : null}
      email={view.typed.email}
      notice={view.typed.firstName === undefined ? toView(view.notice) : null}
      forgotHref={at('/forgot', flow)}
      signUpHref={signUp ? at('/signup', flow) : null}
      reauthUser={view.reauth ? { email: view.reauth, otherHref: startAgain(view.request) } : null}
      client={await waitingClient(view.request, caller)}
    />
  )
}

/** Judged anew: an app's request may still want more than the session that there is now. */
const onwards = ({ request, returnTo }: { request: string | null; returnTo: string }): string =>
  request ? `/signin/start?request=${encodeURIComponent(request)}` : returnTo

const startAgain = (request: string | null): string =>
  request ? `/signin/start?switch=1&request=${encodeURIComponent(request)}` : '/signin/start'

/** Everything is proven: on to where the person wanted to go, at once or, if the last step got lost, by one press. */
async function Done({ flow, signedIn }: { flow: string; signedIn: boolean }) {
  if (signedIn) redirect(at('/signin/done', flow))
  const t = await getTranslations('login')
  return (
    <AuthCard title={t('sign_in.almost_title')} lead={t('sign_in.almost_text')}>
      <form method="post" action="/signin/continue" className="grid">
        <input type="hidden" name="flow" value={flow} />
        <SubmitButton wide workingLabel={(await getTranslations('ui'))('working')}>
          {t('sign_in.reauth_submit')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
