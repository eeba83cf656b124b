/**
 * Another provider's word as a first proof. It says who somebody is there, and nothing else: whom it is about here, what
 * else they must prove and whether they may come in is decided as for every other way in.
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { uuid } from '../base/ids'
import { bucket } from '../base/limits'
import { ok, type Refusal, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import * as federation from '../federation'
import { linked } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import { type Attempt, startOver } from './attempt'
import { sendCode } from './codes'
import { advance } from './complete'
import { policy, running, spendRequest, stepOf } from './gate'
import { type Outcome, turnDown } from './outcome'
import { syncRoles } from './roles'
import { onlyPasskeys } from './steps'
import * as store from './store'
import { saysWhen } from './view'

/** The browser goes to a provider. */
export interface Away {
  step: 'away'
  url: string
  setCookies: string[]
}

/**
 * Sends the browser of an attempt to a provider. What was proven so far stays until an answer comes back.
 * @returns where to, or an outcome at `identify` with the refusal (`method_off`, `not_found`, `provider_down`, `rate_limited`);
 *   refusal `flow_expired`
 * @throws StoresDown
 */
export async function toProvider(
  flow: string,
  { provider }: { provider: string },
  caller: Caller,
): Promise<Result<Away | Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const back = (refusal: Refusal) => turnDown(flow, 'identify', named(refusal, provider))
  const limited = await spendRequest(caller)
  if (!limited.ok) return back(limited.refusal)
  if (onlyPasskeys(policy())) return back(refuse('method_off').refusal)
  const known = federation.provider(provider)
  const anew = found.value.reauth !== null || (found.value.proveAnew && known && saysWhen(known))
  const begun = await federation.begin({
    purpose: 'sign_in',
    flow,
    provider,
    returnTo: `/signin?flow=${flow}`,
    // Whoever proves again who they are is to do it there, too; who came back for another account is to choose one.
    ...(anew ? { prompt: 'login' } : found.value.stranger ? { prompt: 'select_account' } : {}),
    caller,
  })
  return begun.ok ? ok({ step: 'away', ...begun.value }) : back(begun.refusal)
}

/** Where an answer of a provider led, with cookies that end the round trip. */
export type Arrived = { setCookies: string[] } & (
  | { purpose: 'sign_in'; flow: string; result: Result<Outcome> }
  | { purpose: 'link'; returnTo: string; result: Result<linked.Made> }
  /** Nobody can tell what it was for. */
  | { purpose: null; refusal: Refusal }
)

/**
 * Takes a provider's answer: a proof for the attempt that asked for it, or an account to be linked for the session that did.
 * @param query of the callback's URL
 * @throws StoresDown
 */
export async function fromProvider(
  provider: string,
  query: URLSearchParams,
  caller: Caller,
): Promise<Arrived> {
  const outcome = await federation.finish(provider, query, caller)
  const { context, setCookies } = outcome
  if (!context) {
    const { refusal } = outcome.ok ? refuse('flow_expired') : outcome
    return { purpose: null, refusal: named(refusal, provider), setCookies }
  }
  if (context.purpose === 'link') {
    const { returnTo } = context
    const result: Result<linked.Made> = outcome.ok
      ? await linked.finish(context, outcome.identity, await sessions.check(caller.cookies), caller)
      : { ok: false, refusal: outcome.refusal }
    const told = result.ok ? result : { ok: false as const, refusal: named(result.refusal, provider) }
    return { purpose: 'link', returnTo, result: told, setCookies }
  }
  const { flow } = context
  return { purpose: 'sign_in', flow, result: await arrive(flow, provider, outcome, caller), setCookies }
}

async function arrive(
  flow: string,
  provider: string,
  outcome: federation.Outcome,
  caller: Caller,
): Promise<Result<Outcome>> {
  // The browser that came back is the one of the attempt, whoever's round trip it was (CSRF3).
  const found = await running(flow, caller)
  if (!found.ok) return found
  const back = (refusal: Refusal) => turnDown(flow, 'identify', named(refusal, provider))
  if (!outcome.ok) return back(outcome.refusal)
  if (onlyPasskeys(policy())) return back(refuse('method_off').refusal)
  const { identity } = outcome
  const account = await federation.accounts.find(identity)
  const stale = found.value.reauthUserId ? unfit(found.value, account, identity) : null
  if (stale) return back(stale)
  return account ? known(flow, account, identity, back, caller) : unknown(flow, identity, back)
}

type Back = (refusal: Refusal) => Promise<Result<Outcome>>

/** A provider's clock may be behind ours. */
const SKEW_MS = 60_000

/** Why this is no fresh proof of who is signed in: somebody else, or the provider does not say that they were asked again. */
function unfit(
  { reauthUserId, createdAt }: Attempt,
  account: federation.AccountOwner | null,
  { authAt }: federation.Identity,
): Refusal | null {
  if (account?.userId !== reauthUserId) return refuse('provider_other_person').refusal
  return authAt !== null && authAt >= createdAt - SKEW_MS ? null : refuse('provider_not_fresh').refusal
}

/** The proof: no more than that a provider knows somebody. How they proved it there is the provider's to know. */
function proofOf(
  identity: federation.Identity,
  accountId: string | null,
  { reauth, proveAnew, createdAt }: Attempt,
): sessions.Proof {
  const { authAt, provider, sessionId } = identity
  const asked = (reauth !== null || proveAnew) && authAt !== null && authAt >= createdAt - SKEW_MS
  return {
    method: 'oauth',
    amr: ['fed'],
    // What was asked for just now was given just now, whatever the clock there says.
    at: Math.min(nowMs(), asked ? Math.max(authAt, createdAt) : (authAt ?? Infinity)),
    ...(accountId && { credential: accountId }),
    ...(authAt === null && { undated: true as const }),
    ...(sessionId && { upstream: upstreamOf(provider, sessionId) }),
  }
}

const upstreamOf = (provider: string, sessionId: string): string => sha256(`${provider}\n${sessionId}`)

async function known(
  flow: string,
  account: federation.AccountOwner,
  identity: federation.Identity,
  back: Back,
  caller: Caller,
): Promise<Result<Outcome>> {
  const user = await users.get(account.userId)
  if (user?.status !== 'active' && user?.status !== 'pending') return back(refuse('account_disabled').refusal)
  // It may have been unlinked since it was found. Looked at after the versions, which move with every unlink.
  if ((await federation.accounts.find(identity))?.id !== account.id)
    return back(refuse('provider_failed').refusal)
  const { id, status, sessionVersion, factorVersion } = user
  // Before anything is decided: what is asked of somebody depends on their roles.
  await inTx((tx) => syncRoles(tx, id, identity, caller))
  const attempt = await store.update(flow, (a) => {
    startOver(a)
    a.linking = null
    a.userId = id
    a.status = status
    a.proofs = [proofOf(identity, account.id, a)]
    a.versions = { session: sessionVersion, factor: factorVersion }
    a.linked = { account, identity }
  })
  if (!attempt) return refuse('flow_expired')
  if (stepOf(attempt) === 'verify_email' && user.email) {
    const to = { purpose: 'email_verification', key: id, to: user.email, decoy: false } as const
    return sendCode(flow, to, caller)
  }
  return advance(flow, attempt, caller)
}

/**
 * Somebody whom nobody here knows. An address that the provider vouches for may be somebody's: they prove the account,
 * and then it is linked. Any other address is only what somebody said, and matches nobody (LNK2).
 */
async function unknown(flow: string, identity: federation.Identity, back: Back): Promise<Result<Outcome>> {
  const email = identity.emailVerified ? identity.email : null
  const owner = email ? await users.find({ email }) : null
  if (email && owner?.emailVerified) {
    if (owner.status !== 'active') return back(refuse('account_disabled').refusal)
    const { provider } = identity
    const others = await federation.accounts.list(owner.id)
    if (others.some((other) => other.provider === provider))
      return back(refuse('provider_other_linked').refusal)
    const attempt = await store.update(flow, (a) => {
      startOver(a)
      a.linking = { userId: owner.id, email, identity }
      a.typed = { email }
    })
    return attempt ? ok({ step: 'identify' }) : refuse('flow_expired')
  }
  if (!env().signUp) return back(refuse('sign_up_closed').refusal)
  if (!federation.provider(identity.provider)?.signUp) return back(refuse('provider_no_sign_up').refusal)
  const attempt = await store.update(flow, (a) => {
    startOver(a)
    a.linking = null
    a.proofs = [proofOf(identity, null, a)]
    a.stranger = identity
    a.newcomer = email ? { userId: uuid(), email } : null
    a.typed = {}
  })
  return attempt ? ok({ step: 'details' }) : refuse('flow_expired')
}

/** The person signs in without linking what they came with. */
export async function withoutLinking(flow: string, caller: Caller): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const attempt = await store.update(flow, (a) => {
    startOver(a)
    a.linking = null
    a.typed = {}
  })
  return attempt ? ok({ step: 'identify' }) : refuse('flow_expired')
}

/** Providers send many of these at once, from few machines. */
const LOGOUTS = { capacity: 300, perMinute: 600 }

/**
 * Takes a provider's word that a session is over there (OpenID Connect Back-Channel Logout 1.0): ours that came from it,
 * or all that came from the account it names, end.
 * @returns refusals `rate_limited`, `not_found`, `provider_failed`, `provider_down`
 */
export async function endedUpstream(
  provider: string,
  logoutToken: string,
  caller: Caller,
): Promise<Result<{ sids: string[] }>> {
  const limited = await bucket(caller.ipPrefix, LOGOUTS, 'backchannel')
  if (!limited.ok) return limited
  const judged = await federation.backchannelLogout(provider, logoutToken)
  if (!judged.ok) return judged
  const { account, sessionId } = judged.value
  const upstream = sessionId ? upstreamOf(provider, sessionId) : undefined
  const why = { reason: 'provider_logout', actor: 'system', caller }
  if (account)
    return ok(await sessions.revokeUpstream({ credential: account.id, ...(upstream && { upstream }) }, why))
  return ok(upstream ? await sessions.revokeUpstream({ upstream }, why) : { sids: [] })
}

/** The refusal with the provider's name, which its words may want. */
const named = (refusal: Refusal, provider: string): Refusal => ({
  ...refusal,
  values: { ...refusal.values, provider: federation.provider(provider)?.name ?? '' },
})
