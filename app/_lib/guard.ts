/**
 * Who may see a page of the console, and who may change something there. Every page and every server
 * action asks here for itself; a layout guards nothing (AZ1).
 */
import { headers } from 'next/headers'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { cache } from 'react'
import type { z } from 'zod'
import { requests, sessions, users } from '@/lib'
import type { Caller } from '@/lib/base/caller'
import type { Refusal } from '@/lib/base/refusals'
import type { SessionFacts } from '@/lib/sessions'
import type { UserSummary } from '@/lib/users'
import { refusalText } from '../../components/login/words'

export interface SignedIn {
  caller: Caller
  session: SessionFacts
}

/**
 * Who asks, signed in or not; judged once for each request.
 * @throws StoresDown when that cannot be told: never "nobody"
 */
export const whoIs = cache(async (): Promise<{ caller: Caller; session: SessionFacts | null }> => {
  const caller = requests.caller(await headers())
  return { caller, session: await sessions.check(caller.cookies) }
})

/** The signed-in user's summary, read once for each request. */
export const summaryOf = cache((userId: string): Promise<UserSummary | null> => users.get(userId))

/**
 * For pages: the signed-in person, else the browser goes to sign-in and comes back.
 * @param to path of the page, on this origin
 */
export async function signedIn(to: string): Promise<SignedIn & { user: UserSummary }> {
  const { caller, session } = await whoIs()
  const user = session && (await summaryOf(session.userId))
  if (!user) redirect(signInHref(to))
  return { caller, session, user }
}

export const signInHref = (to: string): string => `/signin/start?to=${encodeURIComponent(to)}`

/** What a form of the console shows after it was sent. */
export interface FormState {
  ok: boolean
  /** A sentence for the whole form. */
  message?: string
  /** Sentences for single fields. */
  errors?: Record<string, string>
  /** Where the person proves again who they are before this may be done. */
  reauth?: { href: string; label: string }
  /** What was typed, so that a refused form keeps it. */
  values?: Record<string, string>
}

/**
 * The frame of every server action: Origin (CSRF1), session, shape of the input, then the change.
 * @param options.fresh asks for a proof of the last ten minutes
 * @param run makes the change; its refusal becomes words
 */
export async function action<Schema extends z.ZodType>(
  form: FormData,
  options: { page: string; schema: Schema; fresh?: boolean },
  run: (input: z.infer<Schema>, who: SignedIn) => Promise<FormState | Refusal>,
): Promise<FormState> {
  requests.reachAction()
  if (!requests.sameOrigin(await headers())) return refused({ code: 'csrf', status: 403 })
  // Whoever calls by hand passes what they like.
  if (!(form instanceof FormData)) return refused({ code: 'invalid_input', status: 400 })
  const { caller, session } = await whoIs()
  // Back to the page, whose own guard goes on to sign-in: the browser itself must walk there, for its cookies.
  if (!session) redirect(options.page)
  if (options.fresh && !sessions.isFresh(session)) return askAgain(options.page)
  const fields = fieldsOf(form)
  const values = typedAgain(fields, options.schema)
  const parsed = options.schema.safeParse(fields)
  if (!parsed.success) {
    const own = await checkField()
    const errors = parsed.error.issues.map((issue) => [String(issue.path[0] ?? ''), own])
    const message = await refusalText({ code: 'invalid_input' })
    return { ok: false, message, errors: Object.fromEntries(errors), values }
  }
  const answer = await run(parsed.data, { caller, session })
  return 'code' in answer ? { ...(await refused(answer)), values } : answer
}

/** Never said again, not even to who typed it. */
const SECRETS = ['password', 'current', 'code']

/** What a refused form keeps: the fields it asked for, but for secrets; nothing that was smuggled in. */
function typedAgain(fields: Record<string, FormDataEntryValue>, schema: z.ZodType): Record<string, string> {
  const asked = 'shape' in schema ? Object.keys(Object(schema.shape)) : []
  return Object.fromEntries(
    Object.entries(fields).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === 'string' && asked.includes(entry[0]) && !SECRETS.includes(entry[0]),
    ),
  )
}

/** Sensitive changes need a proof of the last ten minutes: a stolen cookie alone changes nothing (STP1). */
export async function askAgain(page: string): Promise<FormState> {
  const t = await getTranslations('account.reauth')
  return { ok: false, message: t('text'), reauth: { href: reauthHref(page), label: t('link') } }
}

/** Where a signed-in person proves again who they are; comes back to `to`. */
export const reauthHref = (to: string): string => `/signin/start?reauth=1&to=${encodeURIComponent(to)}`

/** Fields once each; React's own (`$ACTION_…`) and repeated ones are left out. */
function fieldsOf(form: FormData): Record<string, FormDataEntryValue> {
  const fields: Record<string, FormDataEntryValue> = Object.create(null)
  for (const name of new Set(form.keys())) {
    const [value, ...more] = form.getAll(name)
    if (value !== undefined && more.length === 0 && !name.startsWith('$')) fields[name] = value
  }
  return fields
}

/** A refusal in words: the whole form's in the notice, a field's beside the field. */
async function refused(refusal: Refusal): Promise<FormState> {
  if (!refusal.field) return { ok: false, message: await refusalText(refusal) }
  const own = refusal.code === 'invalid_input' ? await checkField() : await refusalText(refusal)
  // A code is the only field of its form: one sentence beside it says everything.
  if (refusal.field === 'code') return { ok: false, errors: { code: own } }
  return {
    ok: false,
    message: await refusalText({ code: 'invalid_input' }),
    errors: { [refusal.field]: own },
  }
}

const checkField = async (): Promise<string> => (await getTranslations('ui'))('check_field')
