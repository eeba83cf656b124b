import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { currentCaller, one, type Query, toView } from '@/app/_lib/login'
import { VerifyLink } from '@/components/login/verify-link'
import { signin } from '@/lib'
import { Branded, waitingClient } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('link.title'), robots: { index: false } }
}

/**
 * Where the mail's link leads. Opening it changes nothing (scanners open links too): in the browser
 * that asked, a press confirms; anywhere else the page only shows the code, to be typed over there, and nothing of an app.
 */
export default async function VerifyLinkPage({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const [flow, code] = [one(query.flow), one(query.code)]
  const caller = await currentCaller()
  const opened = /^\d{6}$/.test(code) ? await signin.whereOpened(flow, caller) : 'over'
  if (opened === 'over') return <VerifyLink kind="dead" startHref="/signin/start" />
  if (opened === 'elsewhere') return <VerifyLink kind="other" code={code} />
  const view = await signin.expect(flow, caller)
  if (!view.ok || !view.value.verification) return <VerifyLink kind="dead" startHref="/signin/start" />
  return (
    <Branded client={await waitingClient(view.value.request, caller)}>
      <VerifyLink
        kind="same"
        flow={flow}
        action="/verify/submit"
        code={code}
        signsIn={view.value.verification.purpose === 'email_sign_in'}
        email={view.value.verification.to}
        notice={toView(view.value.notice)}
      />
    </Branded>
  )
}
