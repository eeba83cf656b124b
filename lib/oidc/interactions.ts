/**
 * A request that waits for a person. The provider sends the browser to our pages with the request's id;
 * the pages ask here what it wants and hand back what was decided. Everything is judged again from the
 * store and the session's facts at each step, so stale tabs, Back and two tabs end in the right place.
 *
 * A request belongs to the browser that began it: one cookie for each request, whose value only we can
 * make. Another browser that is lured to its pages finds no such request (login CSRF, session fixation).
 */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs, nowSeconds } from '../base/clock'
import { env } from '../base/env'
import { equal, hmac, hmacs } from '../base/secrets'
import * as sessions from '../sessions'
import { note } from './client-log'
import { type ClientFace, face } from './client-view'
import * as clients from './clients'
import { stateOf } from './context'
import { lacksToEnter, NOT_LET_IN } from './entrants'
import * as grants from './grants'
import { type AdapterPayload, errors, type Interaction, type KoaContextWithOIDC } from './library'
import { guestWouldDo, type LoginDemands, type Unmet, unmet, withRegistered } from './policy'
import { type ApiScope, describeScopes, scopesAt } from './resources'
import { SCOPE_OF_CLAIM } from './scopes'
import * as store from './store'
import type { ClientRow } from './store-registry'

const MODEL = 'Interaction'

/** Requests one browser may have open; beyond it the oldest is given up, so cookies stay small. */
const MAX_OPEN = 8

const cookiePrefix = (): string => `${env().https ? '__Host-' : ''}gatehouse.request.`
const cookieName = (uid: string): string => cookiePrefix() + uid.slice(0, 16)
const cookieValue = (uid: string): string => hmac('oidc-request', uid)

function cookie(name: string, value: string, maxAgeSeconds: number): string {
  const secure = env().https ? '; Secure' : ''
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${secure}`
}

/** True when this browser began the request. */
export const isBound = (uid: string, cookies: Record<string, string>): boolean =>
  /^[\w-]{20,64}$/.test(uid) &&
  hmacs('oidc-request', uid).some((value) => equal(cookies[cookieName(uid)] ?? '', value))

/** Called by the library when a request needs a person: binds it to the browser, says where the person goes. */
export function interactionDestination(ctx: KoaContextWithOIDC, interaction: Interaction): string {
  const state = stateOf(ctx.req)
  const { uid } = interaction
  const before = ctx.oidc.entities.Interaction?.uid
  const open = Object.keys(state.caller.cookies).filter((name) => name.startsWith(cookiePrefix()))
  for (const name of open.slice(0, Math.max(0, open.length - MAX_OPEN + 1)))
    state.setCookies.push(cookie(name, '', 0))
  if (before && before !== uid) state.setCookies.push(endCookie(before))
  state.setCookies.push(bindCookie(uid, env().loginAttemptSeconds))
  const { name } = interaction.prompt
  // The app hears of it when the person goes back to it, or never.
  if (name === 'entry') note(ctx, new errors.AccessDenied(NOT_LET_IN))
  return `${PAGES[name] ?? PAGES.login}?request=${uid}`
}

const PAGES: Record<string, string> & { login: string } = {
  login: '/signin/start',
  consent: '/consent',
  entry: '/no-entry',
}

/** The Set-Cookie line that binds a request to this browser. */
export const bindCookie = (uid: string, maxAgeSeconds: number): string =>
  cookie(cookieName(uid), cookieValue(uid), maxAgeSeconds)

/** The Set-Cookie line that forgets a request. */
export const endCookie = (uid: string): string => cookie(cookieName(uid), '', 0)

/** The cookie by which the library finds a request again; made for its eyes only, never sent. */
export const resumeCookie = (name: string, uid: string): string => `${name}=${uid}`

// ── what our pages ask ───────────────────────────────────────────────────────

/** A waiting request, as our pages may know it. */
export interface InteractionView {
  uid: string
  /** `entry`: who is signed in may not enter the app. */
  prompt: 'login' | 'consent' | 'entry'
  reasons: string[]
  client: ClientFace & {
    id: string
    /** Where the browser will go back to; shown, so that a stranger's address is noticed. */
    redirectOrigin: string
    firstParty: boolean
  }
  params: {
    loginHint: string | null
    /** Seconds. */
    maxAge: number | null
    acrValues: string[]
    uiLocales: string[]
    prompt: string[]
  }
  demands: LoginDemands
  /** Somebody without an account could go on as a guest. */
  mayGuest: boolean
  /** Scopes asked for now and not granted yet. */
  missingScopes: string[]
  /** Every scope this request asks for. */
  allScopes: string[]
  /** Scopes of APIs asked for now and not granted yet, by the address of each. */
  missingResources: Record<string, string[]>
  /** The scopes of APIs asked for, in words: those, and what the person allowed before. */
  apiScopes: Record<string, ApiScope>
  /** Single claims asked for by name and not granted yet. */
  missingClaims: string[]
  /**
   * What a yes would add, in the words of scopes: those missing and those that missing claims belong to.
   * A consent page names these, or an app could ask for an address without anyone being told.
   */
  newScopes: string[]
  /** Of `entry`: things have changed, and they may. */
  letIn: boolean
  /** Whose session the question is about; null while nobody is signed in. */
  account: { id: string } | null
  /** When the request ends by itself, milliseconds. */
  expiresAt: number
}

const words = (value: unknown): string[] =>
  typeof value === 'string' ? value.split(' ').filter(Boolean) : []
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)
const names = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((v) => typeof v === 'string') : []

/** Lists of names by the names of what they belong to. */
const listsOf = (value: unknown): Record<string, string[]> =>
  value && typeof value === 'object'
    ? Object.fromEntries(Object.entries(value).map(([id, list]) => [id, names(list)]))
    : {}

interface Waiting {
  payload: AdapterPayload
  exp: number
}

async function read(uid: string, caller: Caller): Promise<Waiting | null> {
  if (!isBound(uid, caller.cookies)) return null
  const found = await store.getArtifact<{ payload: AdapterPayload }>(MODEL, uid)
  const payload = found?.payload.payload
  return payload?.exp && payload.exp > nowSeconds() ? { payload, exp: payload.exp } : null
}

/**
 * The waiting request of this browser.
 * @returns null when it never was, is over, or was begun in another browser
 * @throws StoresDown
 */
export async function request(uid: string, caller: Caller): Promise<InteractionView | null> {
  const waiting = await read(uid, caller)
  return waiting ? toView(uid, waiting) : null
}

const isAsked = (prompt: string): prompt is InteractionView['prompt'] =>
  prompt === 'login' || prompt === 'consent' || prompt === 'entry'

async function toView(uid: string, { payload, exp }: Waiting): Promise<InteractionView | null> {
  const params = payload.params ?? {}
  const client = await clients.active(String(params.client_id ?? ''))
  const prompt = payload.prompt
  if (!client || !prompt || !isAsked(prompt.name)) return null
  const demands = withRegistered(prompt.details.demands as LoginDemands, client)
  const redirectUri = String(params.redirect_uri ?? '')
  const accountId = payload.session?.accountId
  const missingScopes = names(prompt.details.missingOIDCScope)
  const missingClaims = names(prompt.details.missingOIDCClaims)
  const missingResources = listsOf(prompt.details.missingResourceScopes)
  const allScopes = words(params.scope)
  const known = await scopesAt(
    [params.resource].flat().filter((id) => typeof id === 'string'),
    allScopes,
  )
  return {
    uid,
    prompt: prompt.name,
    reasons: prompt.reasons,
    client: {
      id: client.id,
      ...face(client),
      redirectOrigin: originOf(redirectUri),
      firstParty: client.firstParty,
    },
    params: {
      loginHint: text(params.login_hint)?.slice(0, 254) ?? null,
      maxAge: params.max_age === undefined ? null : Number(params.max_age),
      acrValues: words(params.acr_values),
      uiLocales: words(params.ui_locales),
      prompt: words(params.prompt),
    },
    demands,
    mayGuest: prompt.name === 'login' && guestWouldDo(demands),
    missingScopes,
    allScopes,
    missingResources,
    apiScopes: { ...(await describeScopes(known)), ...(await describeScopes(missingResources)) },
    missingClaims,
    newScopes: [
      ...new Set([
        ...missingScopes,
        ...missingClaims.map((c) => SCOPE_OF_CLAIM.get(c) ?? c),
        ...Object.values(missingResources).flat(),
      ]),
    ],
    letIn: prompt.name === 'entry' && accountId !== undefined && (await mayNow(client, accountId)),
    account: accountId ? { id: accountId } : null,
    expiresAt: exp * 1000,
  }
}

const mayNow = async (client: ClientRow, userId: string): Promise<boolean> =>
  (await lacksToEnter(client, { userId })).length === 0

function originOf(uri: string): string {
  const url = URL.canParse(uri) ? new URL(uri) : null
  if (!url) return ''
  return url.origin === 'null' ? url.protocol : url.origin
}

/** What this session lacks for the waiting request; [] when it satisfies it. */
export const lacks = (view: InteractionView, facts: sessions.SessionFacts | null): Unmet[] =>
  unmet(view.demands, facts, nowMs())

/** True when nothing is missing: the sign-in pages need not ask anything. */
export const loginSatisfied = (view: InteractionView, facts: sessions.SessionFacts | null): boolean =>
  lacks(view, facts).length === 0

// ── what our pages hand back ─────────────────────────────────────────────────

/** Stores what was decided and gives the address that resumes the request, on this origin. */
async function decide(
  uid: string,
  { payload, exp }: Waiting,
  result?: AdapterPayload['result'],
): Promise<string> {
  const next: AdapterPayload = {
    ...payload,
    ...(result && { result: { ...payload.lastSubmission, ...result } }),
  }
  // The library would refuse to go on under another session than the request began with. Who is signed in
  // is judged anew from the facts when the browser comes back, so the memory of the old session goes.
  delete next.session
  await store.putArtifact({
    model: MODEL,
    id: uid,
    payload: { payload: next },
    ttlSeconds: exp - nowSeconds(),
  })
  return `${env().issuer}/${payload.deviceCode ? 'device' : 'auth'}/${uid}`
}

/**
 * Sends the browser on after a sign-in (or when the session satisfied the request already). Whether it
 * is enough is judged again there.
 * @returns the URL to redirect to; null when the request is over or another browser's
 */
export async function finishLogin(
  uid: string,
  caller: Caller,
  _facts: sessions.SessionFacts,
): Promise<string | null> {
  const waiting = await read(uid, caller)
  return waiting ? decide(uid, waiting) : null
}

/**
 * The person allows what the waiting request asks. What that is comes from the store alone (CON2).
 * Remembered for the user and the app. A question put to another user than the one signed in now is
 * not answered by this, nor one of a session that ended meanwhile: the request is resumed and judged again.
 * @returns the URL to redirect to; null when the request is over or another browser's
 */
export async function approve(
  uid: string,
  caller: Caller,
  facts: sessions.SessionFacts,
): Promise<string | null> {
  const waiting = await read(uid, caller)
  const view = waiting && (await toView(uid, waiting))
  if (!waiting || !view) return null
  if (view.prompt !== 'consent' || view.account?.id !== facts.userId) return decide(uid, waiting)
  const saved = await store.inTx(async (tx) => {
    // Who was shut out a moment ago, with this under way, leaves no consent behind.
    if (!(await sessions.isLiveIn(tx, facts))) return false
    await grants.save(tx, {
      userId: facts.userId,
      clientId: view.client.id,
      scopes: view.missingScopes,
      claims: view.missingClaims,
      resources: view.missingResources,
      caller,
      sessionId: facts.sid,
    })
    return true
  })
  return decide(uid, waiting, saved ? { consent: { accountId: facts.userId } } : undefined)
}

/**
 * The person declines (the consent, or the sign-in itself), or goes back from an app that does not let them in: it is told
 * `access_denied`.
 * @returns the URL to redirect to; null when the request is over or another browser's
 */
export async function deny(
  uid: string,
  caller: Caller,
  facts?: sessions.SessionFacts | null,
): Promise<string | null> {
  const waiting = await read(uid, caller)
  if (!waiting) return null
  // What was refused to them they cannot decline; it is written down already.
  if (waiting.payload.prompt?.name === 'entry')
    return decide(uid, waiting, { error: 'access_denied', error_description: NOT_LET_IN })
  const clientId = text(waiting.payload.params?.client_id)
  await record(null, {
    type: 'consent.declined',
    userId: facts?.userId,
    sessionId: facts?.sid,
    clientId,
    caller,
    data: { prompt: waiting.payload.prompt?.name ?? '' },
  })
  return decide(uid, waiting, { error: 'access_denied', error_description: 'the person declined' })
}
