/**
 * The round trip to a provider. Its check values (state, nonce, PKCE) never leave the server; the browser holds one
 * cookie of ours that binds it.
 */
import type { Caller } from '../base/caller'
import { type Result, refuse } from '../base/refusals'
import type { Context, Outcome, Purpose } from './types'

/**
 * Begins a round trip. Nothing that a relying app or a stranger wrote goes along (no `login_hint`).
 * @param input.returnTo a path of ours; anything else becomes `/`
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
  return refuse(input ? 'not_found' : 'not_found')
}

/**
 * For what a provider posts to us from its own page (Apple's `form_post`): a cross-site POST comes without our cookies,
 * so the answer is kept, once, and the browser is sent on by a 303 to a GET of the same address, where they come along.
 * @param fields of the form
 * @returns the URL for the 303. Refusals: `not_found`, `flow_expired` (no such round trip, or answered already)
 * @throws StoresDown
 */
export async function keepPosted(
  provider: string,
  fields: Record<string, string>,
): Promise<Result<{ url: string }>> {
  return refuse(provider && fields ? 'not_found' : 'not_found')
}

/**
 * Ends a round trip: `GET /api/auth/callback/{provider}`. Single use: the second of the same answer is `flow_expired`.
 * For a sign-in the caller still compares the attempt's browser, for a link the session's `sid` and `userId`.
 * @param query of the URL; a name that comes twice is refused before (pass the first of each and `doubled`)
 * @returns refusals: `not_found`, `flow_expired`, `flow_foreign_browser`, `provider_denied` (the person said no),
 *   `provider_down`, `provider_failed` (the answer does not hold), `provider_not_allowed` (domain or tenant)
 * @throws StoresDown
 */
export async function finish(provider: string, query: URLSearchParams, caller: Caller): Promise<Outcome> {
  return {
    ok: false,
    context: null as Context | null,
    refusal: refuse(provider && query && caller ? 'not_found' : 'not_found').refusal,
    setCookies: [],
  }
}
