/** How the login's forms answer: plain POST, then 303 to the true next step. Works with script off. */
import { headers } from 'next/headers'
import { forms, requests } from '@/lib'
import type { Caller } from '@/lib/base/caller'
import type { Refusal } from '@/lib/base/refusals'
import type * as Forms from '@/lib/forms'
import type { Fields } from '@/lib/forms'
import type { Notice } from '@/lib/signin'

export type { Fields, LoginPage } from '@/lib/forms'

/** A page of this flow. `face`: which of its faces, where it has several. */
export const at: typeof Forms.at = (...args) => forms.at(...args)

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
export const saysYes: typeof Forms.saysYes = (field) => forms.saysYes(field)

/** An answer of the room, as Next wants it. */
function responseOf({ status, headers, setCookies, body }: Forms.Answer): Response {
  const response = new Response(body, { status, headers })
  for (const line of setCookies) response.headers.append('set-cookie', line)
  return response
}

/** 303 to a path of ours or, at the end, back to the relying app. */
export const seeOther = (location: string, setCookies: string[] = []): Response =>
  responseOf(forms.seeOther(location, setCookies))

/** Takes a form post: refuses other origins and oversized bodies, and hands over who asks and the fields. */
export async function formPost(
  request: Request,
  handle: (fields: Fields, caller: Caller) => Promise<Response>,
): Promise<Response> {
  if (!requests.sameOrigin(request.headers)) return seeOther('/problem?code=csrf')
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  if (!(length <= forms.MAX_BYTES)) return seeOther('/problem?code=invalid_input')
  let form: FormData
  try {
    form = await request.formData()
  } catch {
    return seeOther('/problem?code=invalid_input')
  }
  return handle(forms.fieldsOf(form.entries()), requests.caller(request.headers))
}

/** The same, by a handler that the host also calls itself (lib/host/forms.ts). */
export const handled = (request: Request, handle: Forms.Handler): Promise<Response> =>
  formPost(request, async (fields, caller) => responseOf(await handle(fields, caller)))

/** The page of a step; null where several serve it. */
export const pageOf: typeof Forms.pageOf = (step) => forms.pageOf(step)

/** Answers a verb of signin. */
export const answer = async (...args: Parameters<typeof Forms.answer>): Promise<Response> =>
  responseOf(await forms.answer(...args))

/** The honest answer to "too many" and "too busy". */
export const comeBackLater = (next: string, refusal: Refusal): Response =>
  responseOf(forms.comeBackLater(next, refusal))

/** Begins again, for somebody else perhaps; the app that waits goes on waiting. */
export const startAgain = (request: string | null): string =>
  request ? `/signin/start?switch=1&request=${encodeURIComponent(request)}` : '/signin/start'

/** Where a browser goes once it is signed in. */
export const afterSignIn: typeof Forms.afterSignIn = (...args) => forms.afterSignIn(...args)

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
