/**
 * Room: forms.
 * Owns: what the forms of the login carry, and how they are answered: a redirect to the true next step, or "come back later".
 * Hands off: the attempt to signin, the app that waits to oidc; HTTP to whoever took the request.
 * Invariants: fields in, an answer out, the same whether the host or a route of Next took the request; no error words in URLs.
 */
import 'server-only'
import type { Caller } from '../base/caller'
import type { Refusal, Result } from '../base/refusals'
import * as oidc from '../oidc'
import type { SessionFacts } from '../sessions'
import * as signin from '../signin'

/** A page of the login that a refusal is shown on. */
export type LoginPage =
  | '/signin'
  | '/signup'
  | '/verify'
  | '/signup/details'
  | '/signin/phone'
  | '/signin/second'
  | '/signin/enroll'
  | '/signin/codes'

/** What a form of the login carried, as strings; files and repeated fields count as absent. */
export type Fields = Partial<Record<string, string>>

/** Longest body of a form of the login. */
export const MAX_BYTES = 32_768

/** How a form is answered. Names of headers are in lower case. */
export interface Answer {
  status: number
  headers: Record<string, string>
  setCookies: string[]
  body: string | null
}

export type Handler = (fields: Fields, caller: Caller) => Promise<Answer>

/** The fields of a form, from what a parser gives one by one. */
export function fieldsOf(entries: Iterable<[string, unknown]>): Fields {
  const fields: Fields = Object.create(null)
  const seen = new Set<string>()
  for (const [name, value] of entries) {
    if (typeof value === 'string' && !seen.has(name)) fields[name] = value
    else delete fields[name]
    seen.add(name)
  }
  return fields
}

/** A page of this flow. `face`: which of its faces, where it has several. */
export const at = (page: string, flow: string, face: Partial<Record<'with' | 'way', string>> = {}): string =>
  `${page}?${new URLSearchParams({ flow, ...face })}`

/** What the hidden field of a form's script says of the browser; undefined while it said nothing. */
export const saysYes = (field: string | undefined): boolean | undefined => (field ? field === '1' : undefined)

/** 303 to a path of ours or, at the end, back to the relying app. */
export const seeOther = (location: string, setCookies: string[] = []): Answer => ({
  status: 303,
  headers: { location, 'cache-control': 'no-store' },
  setCookies,
  body: null,
})

const PAGES: Partial<Record<signin.Step, LoginPage>> = {
  verify_email: '/verify',
  details: '/signup/details',
  second: '/signin/second',
  enroll: '/signin/enroll',
  backup_codes: '/signin/codes',
}

/** The page of a step; null where several serve it. */
export const pageOf = (step: signin.Step): LoginPage | null => PAGES[step] ?? null

/** Pages with several faces, and what chooses one. */
const FACES: Partial<Record<LoginPage, 'with' | 'way'>> = {
  '/signup': 'way',
  '/signin/second': 'with',
  '/signin/enroll': 'with',
}

/**
 * Answers a verb of signin.
 * @param page where its refusals belong while the step is still "identify"
 * @param chosen the face of the page that the form was on, to come back to
 */
export async function answer(
  flow: string,
  caller: Caller,
  page: LoginPage,
  result: Result<signin.Outcome>,
  chosen?: string,
): Promise<Answer> {
  if (!result.ok) return seeOther(at(page, flow))
  const outcome = result.value
  if (outcome.step === 'done') {
    return seeOther(await afterSignIn(outcome, caller, outcome.facts), outcome.setCookies)
  }
  const to = pageOf(outcome.step) ?? page
  const face = FACES[to]
  const next = at(to, flow, face && chosen ? { [face]: chosen } : {})
  return outcome.refusal?.retryAfterSeconds === undefined
    ? seeOther(next)
    : comeBackLater(next, outcome.refusal)
}

/**
 * The honest answer to "too many" and "too busy": its own status and Retry-After, and the page that
 * says when to come back (Refresh works with script off).
 */
export const comeBackLater = (next: string, refusal: Refusal): Answer => ({
  status: refusal.status,
  headers: {
    'retry-after': String(refusal.retryAfterSeconds ?? 60),
    refresh: `0; url=${next}`,
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
  },
  setCookies: [],
  // A browser shows its own error page for an empty 4xx answer, and then follows no Refresh.
  body: `<!doctype html><title>${refusal.status}</title><a href="${next}">→</a>`,
})

/** Where a browser goes once it is signed in: on with the waiting app's request, or to the page it came for. */
export async function afterSignIn(
  done: { request: string | null; returnTo: string },
  caller: Caller,
  facts: SessionFacts,
): Promise<string> {
  if (!done.request) return done.returnTo
  return (await oidc.finishLogin(done.request, caller, facts)) ?? '/problem?code=request_expired'
}

/** The sign-in page's own form. */
export const password: Handler = async ({ flow = '', email = '', password = '', canPasskey }, caller) =>
  answer(
    flow,
    caller,
    '/signin',
    await signin.password(flow, { email, password, canPasskey: saysYes(canPasskey) }, caller),
  )
