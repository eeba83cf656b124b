/**
 * The round trip to a provider. Its check values (state, nonce, PKCE) never leave the server; the browser holds one
 * cookie of ours that binds it (decision 061).
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { log } from '../base/log'
import { ownPath } from '../base/paths'
import { ok, type RefusalCode, type Result, refuse } from '../base/refusals'
import { equal, sha256 } from '../base/secrets'
import { authorize, confirm, ProviderFailed } from './core'
import { identify } from './identity'
import { ProviderDown } from './metadata'
import { type Good, good } from './registry'
import { isPosted, shape } from './shapes'
import * as store from './store'
import type { Context, Outcome, Purpose } from './types'

const LIFE_SECONDS = 600
/** Tabs that one browser may have at providers at once; more push out others. */
const MAX_COOKIES = 5

const cookiePrefix = (): string => `${env().https ? '__Host-' : ''}gatehouse.oauth-`

/** One cookie for each round trip, so that two tabs do not trip over each other. */
const cookieName = (state: string): string => `${cookiePrefix()}${sha256(state).slice(0, 10)}`

function setCookie(name: string, value: string): string {
  const life = value ? LIFE_SECONDS : 0
  const line = `${name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${life}`
  return env().https ? `${line}; Secure` : line
}

/** The sentence for a refusal names the provider. */
const no = (code: RefusalCode, { view }: Good) => refuse(code, { values: { provider: view.name } })

/** A provider's failure as a refusal; what it said goes to the log, cut short, and to nobody's page. */
function refused(error: unknown, provider: Good) {
  if (!(error instanceof ProviderDown) && !(error instanceof ProviderFailed)) throw error
  const down = error instanceof ProviderDown
  log().warn(
    { provider: provider.view.id, why: error.message.slice(0, 200) },
    down ? 'a provider does not answer' : 'an answer of a provider does not hold',
  )
  return no(down ? 'provider_down' : 'provider_failed', provider)
}

/**
 * Begins a round trip. Nothing that a relying app or a stranger wrote goes along (no `login_hint`).
 * @param input.returnTo a path of ours; anything else becomes `/account` (RED1)
 * @param input.prompt asks the provider to make the person prove themselves again, or to choose an account
 * @returns where to send the browser, with the cookies that bind it (append each).
 *   Refusals: `not_found` (no such provider), `provider_down`
 * @throws StoresDown
 */
export async function begin(
  input: Purpose & {
    provider: string
    returnTo: string
    prompt?: 'login' | 'select_account'
    caller: Caller
  },
): Promise<Result<{ url: string; setCookies: string[] }>> {
  const provider = good(input.provider)
  if (!provider) return refuse('not_found')
  const { view, settings } = provider
  const extra: Record<string, string> = input.prompt ? { prompt: input.prompt } : {}
  let begun: Awaited<ReturnType<typeof authorize>>
  try {
    const { entry } = await shape(settings)
    begun = await authorize(entry, extra)
  } catch (error) {
    return refused(error, provider)
  }
  const { url, checks } = begun
  const state = url.searchParams.get('state')
  if (!store.isState(state)) throw new Error(`${view.id}: no state was made`)
  const purpose: Purpose =
    input.purpose === 'link'
      ? { purpose: 'link', userId: input.userId, sid: input.sid }
      : { purpose: 'sign_in', flow: input.flow }
  const token = randomToken()
  await store.create(isPosted(settings), state, {
    context: { ...purpose, provider: view.id, returnTo: ownPath(input.returnTo, '/account') },
    browserHash: sha256(token),
    checks,
    expiresAt: nowMs() + LIFE_SECONDS * 1000,
    posted: null,
  })
  const had = Object.keys(input.caller.cookies).filter((name) => name.startsWith(cookiePrefix()))
  const tooMany = had.slice(0, Math.max(0, had.length - MAX_COOKIES + 1))
  const setCookies = [...tooMany.map((name) => setCookie(name, '')), setCookie(cookieName(state), token)]
  return ok({ url: url.href, setCookies })
}

/** What of an answer is looked at; anything else of it (an ID token in the URL, say) is not there for us. */
const ANSWER = ['code', 'state', 'iss', 'error', 'user'] as const
const LONGEST = 8192

function answerOf(given: URLSearchParams): Record<string, string> | null {
  const answer: Record<string, string> = {}
  for (const name of ANSWER) {
    const [value, second] = given.getAll(name)
    // Two of one are read differently by different readers (OAuth 2.0 section 3.1 forbids them).
    if (second !== undefined || (value?.length ?? 0) > LONGEST) return null
    if (value !== undefined) answer[name] = value
  }
  return answer
}

/**
 * For what a provider posts to us from its own page (Apple's `form_post`): a cross-site POST comes without our cookies,
 * so the answer is kept, once, and the browser is sent on by a 303 to a GET of the same address, where they come along.
 * @returns the URL for the 303. Refusals: `not_found` (no provider that posts), `flow_expired` (no such round trip, or
 *   answered already), `provider_failed`
 * @throws StoresDown
 */
export async function keepPosted(
  providerId: string,
  form: URLSearchParams,
): Promise<Result<{ url: string }>> {
  const provider = good(providerId)
  if (!provider || !isPosted(provider.settings)) return refuse('not_found')
  const fields = answerOf(form)
  if (!fields) return no('provider_failed', provider)
  const { state = null } = fields
  if (!store.isState(state) || !(await store.answer(state, provider.view.id, fields)))
    return refuse('flow_expired')
  return ok({ url: `${env().url}/api/auth/callback/${provider.view.id}?${new URLSearchParams({ state })}` })
}

/** What providers call it when the person said no. */
const DENIED = [
  'access_denied',
  'user_cancelled_authorize',
  'user_cancelled_login',
  'user_denied',
  'consent_required',
]
const AWAY = ['temporarily_unavailable', 'server_error']

/**
 * Ends a round trip: `GET /api/auth/callback/{provider}`. Single use: the second of the same answer is `flow_expired`.
 * For a sign-in the caller still compares the attempt's browser, for a link the session's `sid` and `userId`.
 * @returns refusals: `not_found`, `flow_expired`, `flow_foreign_browser`, `provider_denied` (the person said no),
 *   `provider_down`, `provider_failed` (the answer does not hold), `provider_not_allowed` (domain or tenant)
 * @throws StoresDown
 */
export async function finish(providerId: string, query: URLSearchParams, caller: Caller): Promise<Outcome> {
  const lost = (code: RefusalCode): Outcome => ({
    ok: false,
    context: null,
    refusal: refuse(code).refusal,
    setCookies: [],
  })
  const provider = good(providerId)
  if (!provider) return lost('not_found')
  const posts = isPosted(provider.settings)
  const asked = answerOf(query)
  const state = asked?.state ?? null
  const trip = store.isState(state) ? await store.take(posts, state) : null
  if (!trip || !store.isState(state) || trip.expiresAt <= nowMs()) return lost('flow_expired')
  const name = cookieName(state)
  const held = caller.cookies[name]
  if (!held || !equal(sha256(held), trip.browserHash)) return lost('flow_foreign_browser')
  const setCookies = [setCookie(name, '')]
  const { context } = trip
  const end = ({ refusal }: ReturnType<typeof refuse>): Outcome => ({
    ok: false,
    context,
    refusal,
    setCookies,
  })
  const answer = posts ? trip.posted : asked
  // Begun with one, ended at another: a mix-up (RFC 9207, next-auth CVE-2026-73419).
  if (context.provider !== provider.view.id || !answer) return end(no('provider_failed', provider))
  if (answer.error !== undefined) return end(no(codeFor(answer.error), provider))
  if (!answer.code) return end(no('provider_failed', provider))
  try {
    const identity = await exchange(provider, answer, trip)
    return identity.ok ? { ok: true, context, identity: identity.value, setCookies } : end(identity)
  } catch (error) {
    return end(refused(error, provider))
  }
}

const codeFor = (error: string): RefusalCode =>
  DENIED.includes(error) ? 'provider_denied' : AWAY.includes(error) ? 'provider_down' : 'provider_failed'

async function exchange(provider: Good, answer: Record<string, string>, { checks }: store.RoundTrip) {
  const { entry, metadata, origin } = await shape(provider.settings)
  const { user, ...rest } = answer
  const named = metadata?.authorization_response_iss_parameter_supported
  if (named && rest.iss === undefined) throw new ProviderFailed('the answer names no issuer')
  if (metadata && rest.iss !== undefined && rest.iss !== metadata.issuer) {
    throw new ProviderFailed('the answer names another issuer')
  }
  const confirmed = await confirm(entry, rest, checks)
  return identify(provider, confirmed, { origin, posted: user })
}

export type { Context }
