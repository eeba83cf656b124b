/**
 * What a request asks of the person's sign-in, and whether a session meets it. One pure function says it
 * for the provider's checks and for the sign-in pages alike; it looks at facts, never at the fact that
 * some page was passed.
 */
import { nowMs } from '../base/clock'
import type { SessionFacts } from '../sessions'
import { stateOf } from './context'
import { errors, type KoaContextWithOIDC, policy } from './library'

/** OpenID Connect Core section 3.1.2.1; plain data, kept with the waiting request. */
export interface LoginDemands {
  /** When the person was first asked, milliseconds; a proof made since then is fresh. */
  since: number
  /** prompt=login, prompt=create or max_age=0: a fresh proof, whatever there was before. */
  forced: boolean
  /** Seconds a proof may be old. */
  maxAgeSeconds?: number
  /** The user an id_token_hint or the claims parameter names. */
  subject?: string
  /** Any of these levels, essentially. */
  acr?: string[]
}

export type Unmet = 'no_session' | 'login_prompt' | 'max_age' | 'other_subject' | 'acr'

/** What the session lacks; [] when it satisfies the demands. */
export function unmet(demands: LoginDemands, facts: SessionFacts | null, at: number): Unmet[] {
  if (!facts) return ['no_session']
  const fresh = facts.authAt >= demands.since
  const lacks: Unmet[] = []
  if (demands.forced && !fresh) lacks.push('login_prompt')
  if (demands.maxAgeSeconds !== undefined && !fresh && at - facts.authAt > demands.maxAgeSeconds * 1000) {
    lacks.push('max_age')
  }
  if (demands.subject !== undefined && demands.subject !== facts.userId) lacks.push('other_subject')
  if (demands.acr && !demands.acr.includes(facts.acr)) lacks.push('acr')
  return lacks
}

const RESUMED = 'resume'

/** The demands of the request being judged: kept since it was first asked, else read from its parameters. */
export function demandsOf(ctx: KoaContextWithOIDC): LoginDemands {
  const kept = ctx.oidc.entities.Interaction?.prompt.details.demands as LoginDemands | undefined
  if (ctx.oidc.route === RESUMED && kept) return kept
  const state = stateOf(ctx.req)
  state.demandsSince ??= nowMs()
  const { prompts } = ctx.oidc
  const demands: LoginDemands = {
    since: state.demandsSince,
    forced: prompts.has('login') || prompts.has('create'),
  }
  if (ctx.oidc.params?.max_age !== undefined) demands.maxAgeSeconds = Number(ctx.oidc.params.max_age)
  const wanted = ctx.oidc.claims.id_token
  const subject = ctx.oidc.entities.IdTokenHint?.payload.sub ?? wanted?.sub?.value
  if (typeof subject === 'string') demands.subject = subject
  const acr = wanted?.acr
  if (acr?.essential) {
    const values = acr.values ?? (acr.value === undefined ? [] : [acr.value])
    if (!Array.isArray(values)) throw new errors.InvalidRequest('invalid claims.id_token.acr.values type')
    if (values.length > 0) demands.acr = values.map(String)
  }
  return demands
}

/**
 * The reasons a request must go to the sign-in pages. When the person comes back with a fresh proof that
 * still is another user or too low a level, asking again would only turn in circles: the app is told.
 */
function lacking(ctx: KoaContextWithOIDC): Unmet[] {
  const { facts } = stateOf(ctx.req)
  const demands = demandsOf(ctx)
  const lacks = unmet(demands, facts, nowMs())
  if (ctx.oidc.route === RESUMED && facts && facts.authAt >= demands.since) {
    if (lacks.includes('other_subject'))
      throw new errors.LoginRequired('another user signed in than the one asked for')
    if (lacks.includes('acr'))
      throw new errors.UnmetAuthenticationRequirements('the requested acr could not be reached')
  }
  return lacks
}

const { Check, Prompt } = policy

function loginCheck(reason: Unmet, description: string): InstanceType<typeof Check> {
  return new Check(reason, description, 'login_required', (ctx) => lacking(ctx).includes(reason))
}

const details = (ctx: KoaContextWithOIDC) => ({ demands: demandsOf(ctx) })

/** Sign-in judged by `unmet`; consent as the library judges it, remembered per user. */
export function interactionPolicy(): ReturnType<typeof policy.base> {
  const prompts = policy.base()
  const login = new Prompt(
    { name: 'login', requestable: true },
    details,
    loginCheck('no_session', 'End-User authentication is required'),
    loginCheck('login_prompt', 'login prompt was not resolved'),
    loginCheck('max_age', 'End-User authentication could not be obtained'),
    loginCheck('other_subject', 'the requested subject could not be obtained'),
    loginCheck('acr', 'none of the requested ACRs could be obtained'),
  )
  // Ours of the same name; the library's own looks at what a page said, not at the session. It comes first.
  login.checks.splice(0, 1)
  prompts.remove('login')
  prompts.add(login, 0)

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
