/** How the login's forms answer: plain POST, then 303 to the true next step. Works with script off. */
import { headers } from 'next/headers'
import { oidc, requests } from '@/lib'
import type { Caller } from '@/lib/base/caller'
import type { Refusal, Result } from '@/lib/base/refusals'
import type { SessionFacts } from '@/lib/sessions'
import type { Notice, Outcome, Step } from '@/lib/signin'

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

/** A page of this flow. `face`: which of its faces, where it has several. */
export const at = (page: string, flow: string, face: Partial<Record<'with' | 'way', string>> = {}): string =>
  `${page}?${new URLSearchParams({ flow, ...face })}`

/** The one of several names that a field says; undefined for anything else. */
export const oneOf = <const Name extends string>(
  names: readonly Name[],
  said: string | undefined,
): Name | undefined => names.find((name) => name === said)

/** Who is asking, from the request that Next is answering. */
export const currentCaller = async (): Promise<Caller> => requests.caller(await headers())

/** ISO 3166 country where the browser's first language is at home; only a guess to begin with. */
export async function homeCountry(): Promise<string | null> {
  const [tag = ''] = ((await headers()).get('accept-language') ?? '').split(/[,;]/)
  try {
    return new Intl.Locale(tag.trim()).maximize().region ?? null
  } catch {
    return null
  }
}

/** A parameter of a page's query; repeated ones count as absent. */
export const one = (value: string | string[] | undefined): string => (typeof value === 'string' ? value : '')

export type Query = Promise<Record<string, string | string[] | undefined>>

/** What the hidden field of a form's script says of the browser; undefined while it said nothing. */
export const saysYes = (field: string | undefined): boolean | undefined => (field ? field === '1' : undefined)

/** 303 to a path of ours or, at the end, back to the relying app. */
export function seeOther(location: string, setCookies: string[] = []): Response {
  const answer = new Response(null, { status: 303, headers: { location, 'cache-control': 'no-store' } })
  for (const line of setCookies) answer.headers.append('set-cookie', line)
  return answer
}

const MAX_FORM_BYTES = 32_768

/** What a form of the login carried, as strings; files and repeated fields count as absent. */
export type Fields = Partial<Record<string, string>>

/** Takes a form post: refuses other origins and oversized bodies, and hands over who asks and the fields. */
export async function formPost(
  request: Request,
  handle: (fields: Fields, caller: Caller) => Promise<Response>,
): Promise<Response> {
  if (!requests.sameOrigin(request.headers)) return seeOther('/problem?code=csrf')
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  if (!(length <= MAX_FORM_BYTES)) return seeOther('/problem?code=invalid_input')
  let form: FormData
  try {
    form = await request.formData()
  } catch {
    return seeOther('/problem?code=invalid_input')
  }
  const fields: Fields = Object.create(null)
  for (const name of new Set(form.keys())) {
    const [value, ...more] = form.getAll(name)
    if (typeof value === 'string' && more.length === 0) fields[name] = value
  }
  return handle(fields, requests.caller(request.headers))
}

const PAGES: Partial<Record<Step, LoginPage>> = {
  verify_email: '/verify',
  details: '/signup/details',
  second: '/signin/second',
  enroll: '/signin/enroll',
  backup_codes: '/signin/codes',
}

/** The page of a step; null where several serve it. */
export const pageOf = (step: Step): LoginPage | null => PAGES[step] ?? null

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
  result: Result<Outcome>,
  chosen?: string,
): Promise<Response> {
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
export function comeBackLater(next: string, refusal: Refusal): Response {
  // A browser shows its own error page for an empty 4xx answer, and then follows no Refresh.
  return new Response(`<!doctype html><title>${refusal.status}</title><a href="${next}">→</a>`, {
    status: refusal.status,
    headers: {
      'retry-after': String(refusal.retryAfterSeconds ?? 60),
      refresh: `0; url=${next}`,
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
    },
  })
}

/** Begins again, for somebody else perhaps; the app that waits goes on waiting. */
export const startAgain = (request: string | null): string =>
  request ? `/signin/start?switch=1&request=${encodeURIComponent(request)}` : '/signin/start'

/** Where a browser goes once it is signed in: on with the waiting app's request, or to the page it came for. */
export async function afterSignIn(
  done: { request: string | null; returnTo: string },
  caller: Caller,
  facts: SessionFacts,
): Promise<string> {
  if (!done.request) return done.returnTo
  return (await oidc.finishLogin(done.request, caller, facts)) ?? '/problem?code=request_expired'
}

/** A notice as a page shows it: the wait counted from now. */
export function toView(notice: Notice | null) {
  if (!notice) return null
  const { retryAt, ...rest } = notice
  return {
    ...rest,
    retryAfterSeconds:
      retryAt === undefined ? undefined : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)),
  }
}
