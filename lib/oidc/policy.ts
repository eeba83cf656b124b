/**
 * What a request asks of the person's sign-in, and whether a session meets it. One pure function says it
 * for the provider's checks and for the sign-in pages alike; it looks at facts, never at the fact that
 * some page was passed.
 */
import { nowMs } from '../base/clock'
import type { SessionFacts } from '../sessions'
import * as clients from './clients'
import { stateOf } from './context'
import { mayEnter, NOT_LET_IN } from './entrants'
import { isLevel, LEVELS, type Level, reaches } from './levels'
import { errors, type KoaContextWithOIDC, policy } from './library'
import { sectorOf, subjectIn } from './subjects'

/** OpenID Connect Core section 3.1.2.1; plain data, kept with the waiting request. */
export interface LoginDemands {
  /** When the person was first asked, milliseconds; a proof made since then is fresh. */
  since: number
  /** prompt=login, prompt=create or max_age=0: a fresh proof, whatever there was before. */
  forced: boolean
  /** Seconds a proof may be old. */
  maxAgeSeconds?: number
  /** The app itself named them, and is told when the proof was given: a time that nobody knows will not do. */
  dated?: boolean
  /** The user an id_token_hint or the claims parameter names, as the app knows them. */
  subject?: string
  /** The app knows people by names of this sector alone. */
  sector?: string
  /** One of these levels, essentially: the claims parameter says so (section 5.5.1.1). */
  acr?: string[]
  /** The level the operator registered for the app: no request of it goes through with less. */
  level?: Level
  /** The level that acr_values, or acr without `essential`, would like best: asked for once, then the truth will do. */
  wished?: Level
  /** The app takes guests. */
  guests?: boolean
}

export type Unmet =
  | 'no_session'
  | 'guest'
  | 'login_prompt'
  | 'max_age'
  | 'other_subject'
  | 'acr'
  | 'acr_wished'

/** What the session lacks; [] when it satisfies the demands. */
export function unmet(demands: LoginDemands, facts: SessionFacts | null, at: number): Unmet[] {
  if (!facts) return ['no_session']
  const fresh = facts.authAt >= demands.since
  const lacks: Unmet[] = []
  if (facts.guest && !demands.guests) lacks.push('guest')
  if (demands.forced && !fresh) lacks.push('login_prompt')
  const { maxAgeSeconds = Infinity } = demands
  if ((demands.dated && facts.undated) || (!fresh && at - facts.authAt > maxAgeSeconds * 1000))
    lacks.push('max_age')
  if (demands.subject !== undefined && demands.subject !== subjectIn(demands.sector, facts.userId))
    lacks.push('other_subject')
  const essential = demands.acr && !demands.acr.some((level) => reaches(facts.acr, level))
  if (essential || (demands.level && !reaches(facts.acr, demands.level))) lacks.push('acr')
  // A sign-in made for this request was asked for it already: this is what the person can do.
  else if (demands.wished && !fresh && !reaches(facts.acr, demands.wished)) lacks.push('acr_wished')
  return lacks
}

/**
 * The level the sign-in pages should ask for, or null when any sign-in will do.
 * @returns essential: without it the app is told that it could not be reached
 */
export function levelWanted(demands: LoginDemands): { level: 'aal2'; essential: boolean } | null {
  const low = (level: string) => level === 'aal1'
  const insists = demands.level === 'aal2' || (demands.acr?.includes('aal2') && !demands.acr.some(low))
  if (insists) return { level: 'aal2', essential: true }
  return demands.wished === 'aal2' ? { level: 'aal2', essential: false } : null
}

/**
 * The acr an app is told. It is the session's, but for an app that insists on lower names alone: then it
 * is the highest of those, which was reached as well (section 5.5.1.1 wants one of the values asked for).
 */
export function acrTold(demands: LoginDemands, acr: string): string {
  if (!demands.acr || demands.acr.includes(acr)) return acr
  return [...LEVELS].reverse().find((level) => demands.acr?.includes(level) && reaches(acr, level)) ?? acr
}

/** The browser comes back from our pages, where the demands were put to the person. */
const isResumed = (ctx: KoaContextWithOIDC): boolean =>
  ctx.oidc.route === 'resume' ||
  (ctx.oidc.route === 'device_resume' && ctx.oidc.entities.Interaction?.prompt.name !== 'device')

/**
 * The demands of the request being judged: kept since it was first asked, else read from its parameters.
 * What the operator demands for the app is read anew each time.
 */
export function demandsOf(ctx: KoaContextWithOIDC): LoginDemands {
  const demands = keptDemands(ctx) ?? readDemands(ctx)
  const row = ctx.oidc.client && clients.rowOf.get(ctx.oidc.client)
  return row ? withRegistered(demands, row) : demands
}

/** The demands of a request with those of the operator as they are now. */
export function withRegistered(
  { level: _level, guests: _guests, ...demands }: LoginDemands,
  client: Parameters<typeof clients.takesGuests>[0],
): LoginDemands {
  const { acr, sessionMaxMinutes = Infinity } = client.settings
  const maxAgeSeconds = Math.min(demands.maxAgeSeconds ?? Infinity, sessionMaxMinutes * 60)
  return {
    ...demands,
    ...(acr && { level: acr }),
    ...(clients.takesGuests(client) && { guests: true }),
    ...(maxAgeSeconds < Infinity && { maxAgeSeconds }),
  }
}

/**
 * Whether somebody without any account could give what is asked: a guest has no level, is nobody who was named, and
 * is let in by apps that take guests alone.
 */
export const guestWouldDo = (demands: LoginDemands): boolean =>
  demands.guests === true &&
  demands.acr === undefined &&
  demands.level === undefined &&
  demands.wished === undefined &&
  demands.subject === undefined

function keptDemands(ctx: KoaContextWithOIDC): LoginDemands | undefined {
  return isResumed(ctx) ? (ctx.oidc.entities.Interaction?.prompt.details.demands as LoginDemands) : undefined
}

function readDemands(ctx: KoaContextWithOIDC): LoginDemands {
  const state = stateOf(ctx.req)
  state.demandsSince ??= nowMs()
  const { prompts } = ctx.oidc
  const demands: LoginDemands = {
    since: state.demandsSince,
    forced: prompts.has('login') || prompts.has('create'),
  }
  if (ctx.oidc.params?.max_age !== undefined) {
    demands.maxAgeSeconds = Number(ctx.oidc.params.max_age)
    demands.dated = true
  }
  const wanted = claimsAsked(ctx)
  const subject = ctx.oidc.entities.IdTokenHint?.payload.sub ?? wanted?.sub?.value
  if (typeof subject === 'string') {
    demands.subject = subject
    const row = ctx.oidc.client && clients.rowOf.get(ctx.oidc.client)
    const sector = row && sectorOf(row)
    if (sector) demands.sector = sector
  }
  const asked = levelsOf(wanted?.acr)
  if (asked.length > 0 && wanted?.acr?.essential) demands.acr = asked
  // Wishes are in order of preference; the first that we know is the one. Nobody is shown a page for
  // prompt=none, and a wish is no reason to fail.
  const wished = [...String(ctx.oidc.params?.acr_values ?? '').split(' '), ...asked].find(isLevel)
  if (wished && !demands.acr && !prompts.has('none')) demands.wished = wished
  return demands
}

interface ClaimAsked {
  essential?: unknown
  value?: unknown
  values?: unknown
}

/**
 * The claims parameter's wishes for the ID token. Read from the parameter: the library's own view of them
 * puts acr_values in the place of an essential acr, and anyone can add acr_values to an address.
 */
function claimsAsked(ctx: KoaContextWithOIDC): Partial<Record<string, ClaimAsked | null>> | undefined {
  const text = ctx.oidc.params?.claims
  return typeof text === 'string' ? JSON.parse(text).id_token : undefined
}

function levelsOf(acr: ClaimAsked | null | undefined): string[] {
  const values = acr?.values ?? (acr?.value === undefined ? [] : [acr.value])
  if (!Array.isArray(values)) throw new errors.InvalidRequest('invalid claims.id_token.acr.values type')
  return values.map(String)
}

/** What the session lacks for the request being judged. */
export function lacking(ctx: KoaContextWithOIDC): Unmet[] {
  const lacks = unmet(demandsOf(ctx), stateOf(ctx.req).facts, nowMs())
  // A wish was put to the pages; whatever they made of it, they are not asked twice.
  return isResumed(ctx) ? lacks.filter((reason) => reason !== 'acr_wished') : lacks
}

/**
 * The reasons a request must go to the sign-in pages. When the person comes back with a fresh proof that
 * still is another user or too low a level, asking again would only turn in circles: the app is told.
 */
function reasons(ctx: KoaContextWithOIDC): Unmet[] {
  const { facts } = stateOf(ctx.req)
  const demands = demandsOf(ctx)
  if (demands.acr && !demands.acr.some(isLevel)) throw unreachable()
  const lacks = lacking(ctx)
  // A guest is asked for an account whatever else is missing.
  if (isResumed(ctx) && facts && !facts.guest && facts.authAt >= demands.since) {
    if (lacks.includes('other_subject'))
      throw new errors.LoginRequired('another user signed in than the one asked for')
    if (lacks.includes('acr')) throw unreachable()
  }
  return lacks
}

/** OpenID Connect Core Error Code unmet_authentication_requirements 1.0. */
const unreachable = () => new errors.UnmetAuthenticationRequirements('the requested acr could not be reached')

const { Check, Prompt } = policy

/** Whether the person who is signed in may enter the app, asked anew. */
async function letIn(ctx: KoaContextWithOIDC): Promise<boolean> {
  const { facts } = stateOf(ctx.req)
  const row = ctx.oidc.client && clients.rowOf.get(ctx.oidc.client)
  return !facts || !row || mayEnter(row, facts)
}

/** Sign-in judged by `unmet`; consent as the library judges it, remembered per user. */
export function interactionPolicy(): ReturnType<typeof policy.base> {
  const loginCheck = (reason: Unmet, description: string) =>
    new Check(reason, description, 'login_required', (ctx) => reasons(ctx).includes(reason))
  const details = (ctx: KoaContextWithOIDC) => ({ demands: demandsOf(ctx) })
  const prompts = policy.base()
  const login = new Prompt(
    { name: 'login', requestable: true },
    details,
    loginCheck('no_session', 'End-User authentication is required'),
    loginCheck('guest', 'the End-User is a guest, and guests may not use this client'),
    loginCheck('login_prompt', 'login prompt was not resolved'),
    loginCheck('max_age', 'End-User authentication could not be obtained'),
    loginCheck('other_subject', 'the requested subject could not be obtained'),
    loginCheck('acr', 'none of the requested ACRs could be obtained'),
    loginCheck('acr_wished', 'a higher ACR was asked for'),
  )
  // Ours of the same name; the library's own looks at what a page said, not at the session. It comes first.
  login.checks.splice(0, 1)
  prompts.remove('login')
  prompts.add(login, 0)

  // Who signed in is somebody whom the app does not let in: no app can ask for that page, and none is spared it.
  const entry = new Prompt(
    { name: 'entry', requestable: false },
    details,
    new Check('not_let_in', NOT_LET_IN, 'access_denied', async (ctx) => !(await letIn(ctx))),
  )
  prompts.add(entry, 1)

  // prompt=create (Initiating User Registration 1.0) is a fresh sign-in whose first page is sign-up.
  const create = new Prompt({ name: 'create', requestable: true })
  create.checks.splice(0, 1)
  prompts.add(create)

  const consent = prompts.get('consent')
  if (!consent) throw new Error('the library has no consent prompt')
  consent.details = details
  consent.checks.add(
    new Check('consent_by_another', 'consent was given by another user', 'consent_required', (ctx) => {
      const given = ctx.oidc.result?.consent as { accountId?: string } | undefined
      return given !== undefined && given.accountId !== ctx.oidc.session?.accountId
    }),
  )
  return prompts
}
