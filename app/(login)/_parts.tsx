import { redirect } from 'next/navigation'
import { getLocale, getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { currentCaller, one, type Query } from '@/app/_lib/login'
import { cspNonce } from '@/app/_lib/page'
import { brandSheet } from '@/components/brand'
import { type Brand, brandOf } from '@/components/login/brand-of'
import { Problem } from '@/components/login/problem'
import type { RefusalView } from '@/components/login/words'
import { oidc, sessions, users } from '@/lib'
import type { Caller } from '@/lib/base/caller'
import type { UserSummary } from '@/lib/users'

/** The app that waits for this sign-in, as its pages name it. */
export async function waitingClient(request: string | null, caller: Caller) {
  const waiting = request ? await oidc.request(request, caller) : null
  return waiting && { logo: waiting.client.logoUri, ...brandOf(waiting.client) }
}

/** Whose session a page is about, as it names them: a guest has no address. */
export async function accountOf({ id, email, name, avatarPath, isAnonymous }: UserSummary) {
  const guest = isAnonymous ? (await getTranslations('login.guest'))('name') : null
  return { email: email ?? guest ?? id, name, avatarUrl: avatarPath }
}

/**
 * The request whose question is put to whoever is signed in, and who that is; null when it is over. Leads back to the sign-in
 * where nobody is asked, or somebody else.
 */
export async function questionOf(searchParams: Query) {
  const uid = one((await searchParams).request)
  const caller = await currentCaller()
  const waiting = await oidc.request(uid, caller)
  if (!waiting) return null
  const facts = await sessions.check(caller.cookies)
  const theirs = facts && facts.userId === waiting.account?.id
  const user = theirs ? await users.get(facts.userId) : null
  const start = `/signin/start?request=${encodeURIComponent(uid)}`
  return user ? { uid, waiting, user, start } : redirect(start)
}

/**
 * A page on the way to an app, in the app's colour and with its words, as its operator gave them: a line above the card, and below
 * it the ways to its policy, terms and help.
 * @param links false where the card itself leads there
 */
export async function Branded({
  client,
  links = true,
  children,
}: {
  client: Brand | null
  links?: boolean
  children: ReactNode
}) {
  if (!client) return children
  const [locale, t, nonce] = await Promise.all([getLocale(), getTranslations('login'), cspNonce()])
  const { name: app, brandColor, welcome, policyUri, tosUri, supportUri } = client
  const lang = ([locale, 'en', 'de'] as const).find((tag) => welcome[tag])
  const all = [
    [policyUri, t('consent.policy', { app })],
    [tosUri, t('consent.terms', { app })],
    [supportUri, t('support', { app })],
  ].filter(([uri]) => uri && (links || uri === supportUri))
  return (
    <>
      {brandColor ? (
        <style
          nonce={nonce}
          suppressHydrationWarning
          // biome-ignore lint/security/noDangerouslySetInnerHtml: made of a colour that was checked
          dangerouslySetInnerHTML={{ __html: brandSheet(brandColor) }}
        />
      ) : null}
      {lang ? (
        <p lang={lang} className="mb-4 text-center text-ink-2 wrap-anywhere">
          {welcome[lang]}
        </p>
      ) : null}
      {children}
      {all.length > 0 ? (
        <ul className="mt-5 flex flex-wrap justify-center gap-x-5 gap-y-1.5 text-center text-sm">
          {all.map(([uri, words]) => (
            <li key={uri}>
              <a href={uri ?? undefined} className="link" target="_blank" rel="noopener noreferrer">
                {words}
              </a>
            </li>
          ))}
        </ul>
      ) : null}
    </>
  )
}

/** An attempt that cannot go on here: says why, and begins again. */
export function FlowProblem({ refusal }: { refusal: RefusalView }) {
  return <Problem refusal={refusal} primary={{ href: '/signin/start' }} />
}
