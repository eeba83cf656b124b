/**
 * Who may see a page of the console, and who may change something there. Every page and every server
 * action asks here for itself; a layout guards nothing (AZ1).
 */
import { headers } from 'next/headers'
import { redirect } from 'next/navigation'
import { getLocale, getTranslations } from 'next-intl/server'
import { cache } from 'react'
import type { z } from 'zod'
import { requests, sessions, users } from '@/lib'
import type { Caller } from '@/lib/base/caller'
import type { Refusal } from '@/lib/base/refusals'
import type { SessionFacts } from '@/lib/sessions'
import { language } from '@/lib/texts'
import type { UserSummary } from '@/lib/users'
import { refusalText } from '../../components/login/words'
import { reasonIn } from './reasons'

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
 * For pages: the signed-in person, else the browser goes to sign-in and comes back. A guest sees the overview alone.
 * @param to path of the page, on this origin
 */
export async function signedIn(to: string): Promise<SignedIn & { user: UserSummary }> {
  const { caller, session } = await whoIs()
  const user = session && (await summaryOf(session.userId))
  if (!user) redirect(signInHref(to))
  // A guest has nothing here but the way to an account.
  if ((session.guest || user.isAnonymous) && to !== OVERVIEW) redirect(OVERVIEW)
  return { caller, session, user }
}

const OVERVIEW = '/account'

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
 * The frame of every server action: Origin (CSRF1), session (no guest's), shape of the input, then the change.
 * @param options.fresh asks for a proof of the last ten minutes
 * @param options.may who else may not: asked before anything else is; `proof_required` asks for two factors
 * @param options.draft names the form by the id of what it stands in: after a proof that it asked for, what was
 *   typed is still there (`draftsOf`)
 * @param run makes the change; its refusal becomes words
 */
export async function action<Schema extends z.ZodType>(
  form: FormData,
  options: {
    page: string
    schema: Schema
    fresh?: boolean
    draft?: string
    may?: (session: SessionFacts) => Promise<Refusal | null>
  },
  run: (input: z.infer<Schema>, who: SignedIn) => Promise<FormState | Refusal>,
): Promise<FormState> {
  requests.reachAction()
  if (!requests.sameOrigin(await headers())) return refused({ code: 'csrf', status: 403 })
  // Whoever calls by hand passes what they like.
  if (!(form instanceof FormData)) return refused({ code: 'invalid_input', status: 400 })
  const { caller, session } = await whoIs()
  // Back to the page, whose own guard goes on to sign-in: the browser itself must walk there, for its cookies.
  if (!session) redirect(options.page)
  // Whoever has nothing to prove who they are has nothing to change either.
  if (session.guest) return refused({ code: 'account_required', status: 403 })
  const no = await options.may?.(session)
  const second = no?.code === 'proof_required'
  if (no && !second) return refused(no)
  const fields = fieldsOf(form)
  const values = typedAgain(fields, options.schema)
  const parsed = options.schema.safeParse(fields)
  const { page, draft } = options
  const proveAgain = async (): Promise<FormState> => {
    const lost = draft ? !(await sessions.drafts.keep(session, caller, page, { form: draft, values })) : false
    const at = await addressOf(page)
    const asked = await askAgain(draft ? `${at}#${draft}` : at, options.may !== undefined, lost)
    return { ...asked, values }
  }
  const stale = second || (options.fresh && !sessions.isFresh(session))
  // What no proof would make right is said before one is asked for: it could not be kept until then.
  if (stale && (parsed.success || !draft)) return proveAgain()
  if (!parsed.success) {
    const own = await checkField()
    const errors = parsed.error.issues.map((issue) => [String(issue.path[0] ?? ''), own])
    const message = await refusalText({ code: 'invalid_input' })
    return { ok: false, message, errors: Object.fromEntries(errors), values }
  }
  // From here on the form itself keeps what a refusal leaves of it.
  if (draft) await sessions.drafts.drop(session, page)
  const answer = await run(parsed.data, { caller, session })
  if ('code' in answer && answer.code === 'proof_required') return proveAgain()
  return 'code' in answer ? { ...(await refused(answer)), values } : answer
}

/** The address the form was sent from, if it is of this page: a question that was open there is open again. */
async function addressOf(page: string): Promise<string> {
  const from = (await headers()).get('referer') ?? ''
  const url = URL.canParse(from) ? new URL(from) : null
  return url?.pathname === page ? page + url.search : page
}

/** A form as it was when a proof was asked for, and the words that say so. */
export interface Draft {
  values: Record<string, string>
  text: string
}

/**
 * What was typed on a page before the person had to prove themselves again, for `ActionForm draft={…}`.
 * @returns the draft of a form by its name in `action`; `same` are fields that must agree (the thing it is
 *   about). Nothing while the session is not fresh: then the proof is still to come.
 */
export async function draftsOf(
  session: SessionFacts,
  page: string,
): Promise<(form: string, same?: Record<string, string>) => Draft | undefined> {
  const { caller } = await whoIs()
  const kept = sessions.isFresh(session) ? await sessions.drafts.read(session, caller, page) : null
  const text = kept ? (await getTranslations('account.reauth'))('draft') : ''
  return (form, same = {}) => {
    if (kept?.form !== form) return undefined
    return Object.entries(same).every(([name, value]) => kept.values[name] === value)
      ? { values: kept.values, text }
      : undefined
  }
}

/** Never said again, not even to who typed it. */
const SECRETS = ['password', 'current', 'code', 'response']

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

/**
 * Sensitive changes need a proof of the last ten minutes: a stolen cookie alone changes nothing (STP1).
 * @param lost what was typed will not be there after it, which is said while it still is
 */
async function askAgain(page: string, second: boolean, lost: boolean): Promise<FormState> {
  const t = await getTranslations('account.reauth')
  const message = lost ? `${t('text')} ${t('lost')}` : t('text')
  return { ok: false, message, reauth: { href: reauthHref(page, second), label: t('link') } }
}

/** Where a guest makes an account of what there is. */
export const keepAccountHref = (): string => `${reauthHref(OVERVIEW)}&page=signup`

/**
 * Where a signed-in person proves again who they are; comes back to `to`.
 * @param second with two kinds of factor, if they have them
 */
export const reauthHref = (to: string, second = false): string =>
  `/signin/start?reauth=1${second ? '&level=aal2' : ''}&to=${encodeURIComponent(to)}`

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
  const own = await sentenceFor(refusal.field, refusal)
  // A code is the only field of its form: one sentence beside it says everything.
  if (refusal.field === 'code') return { ok: false, errors: { code: own } }
  return {
    ok: false,
    message: await refusalText({ code: 'invalid_input' }),
    errors: { [refusal.field]: own },
  }
}

/** The verb's own sentence for developers and operators, in their language, where it has one; else the words that people get. */
async function sentenceFor(field: string, refusal: Refusal): Promise<string> {
  const { message } = refusal.values ?? {}
  if (typeof message === 'string')
    return reasonIn(language(await getLocale()), message.replace(`${field}: `, ''))
  return refusal.code === 'invalid_input' ? await checkField() : await refusalText(refusal)
}

const checkField = async (): Promise<string> => (await getTranslations('ui'))('check_field')
