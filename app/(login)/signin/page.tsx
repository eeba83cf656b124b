import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, pageOf, type Query, startAgain, toView } from '@/app/_lib/login'
import { FACTOR_ICONS } from '@/components/factors/icons'
import { troubleWords } from '@/components/factors/trouble-words'
import { AuthCard } from '@/components/login/auth-shell'
import { PasskeyForm } from '@/components/login/passkey-form'
import { ProviderButtons } from '@/components/login/provider-buttons'
import { SignInForm } from '@/components/login/sign-in-form'
import type { RefusalView } from '@/components/login/words'
import { Icon } from '@/components/ui/icon'
import { SubmitButton } from '@/components/ui/submit-button'
import { notify, requests, sessions, signin } from '@/lib'
import type { View } from '@/lib/signin'
import { Branded, FlowProblem, waitingClient } from '../_parts'

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
  // A sign-up, or a code on its way: another way in may be chosen all the same.
  const stays =
    view.step === 'identify' ||
    (view.step === 'verify_email' && (view.signingUp || view.verification?.purpose !== 'email_verification'))
  if (!stays) redirect(at(pageOf(view.step) ?? '/signin', flow))
  const { signUp } = requests.settings()
  const may = (way: (typeof view.ways)[number]) => view.ways.includes(way)
  const notice = view.typed.firstName === undefined ? toView(view.notice) : null
  const client = await waitingClient(view.request, caller)
  return (
    <Branded client={client}>
      <SignInForm
        flow={flow}
        action={may('password') ? '/signin/password' : null}
        codeAction={may('email_code') ? '/signin/code' : null}
        phoneHref={
          may('sms_code') && notify.sms.enabled() && !view.reauth && !view.linking
            ? at('/signin/phone', flow)
            : null
        }
        email={view.typed.email}
        notice={notice}
        forgotHref={at('/forgot', flow)}
        signUpHref={signUp ? at('/signup', flow) : null}
        reauthUser={view.reauth ? { email: view.reauth, otherHref: startAgain(view.request) } : null}
        client={client}
        guestAction={view.mayGuest ? '/signin/guest' : null}
        guest={view.guest}
        linking={view.linking && { ...view.linking, plainAction: '/signin/unlinked' }}
        providersSlot={
          view.providers.length > 0 ? <ProviderButtons flow={flow} providers={view.providers} /> : null
        }
        passkeyFirst={view.firstPasskey || !may('password')}
        passkeySlot={may('passkey') ? await passkey(view, notice) : null}
      />
    </Branded>
  )
}

/** The passkey's button, and what waits in the autofill of the address field. */
async function passkey(view: View, notice: RefusalView | null) {
  const [t, ui, words] = await Promise.all([
    getTranslations('login.sign_in'),
    getTranslations('ui'),
    troubleWords(),
  ])
  const first = view.firstPasskey || !view.ways.includes('password')
  return (
    <PasskeyForm
      flow={view.flow}
      action="/signin/passkey"
      optionsAction="/signin/passkey/options"
      label={t('passkey')}
      workingLabel={ui('working')}
      icon={<Icon of={FACTOR_ICONS.passkey} />}
      words={words}
      look={first ? 'primary' : 'secondary'}
      // Who proves again who they are has no address to fill in; who must wait is not to spend more.
      quietly={view.reauth || notice?.retryAfterSeconds ? undefined : 'get'}
      unknown={notice?.code === 'passkey_unknown'}
      autoFocus={first}
    />
  )
}

/** Judged anew: an app's request may still want more than the session that there is now. */
const onwards = ({ request, returnTo }: { request: string | null; returnTo: string }): string =>
  request ? `/signin/start?request=${encodeURIComponent(request)}` : returnTo

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
