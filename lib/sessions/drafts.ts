/**
 * What a person typed into a form of the console before it asked them to prove again who they are. Belongs
 * to one session, one page and the browser that typed it; sealed; gone after fifteen minutes or when the form
 * goes through. A convenience: when Redis is away the form will be empty, which its person is told beforehand.
 */
import type { Caller } from '../base/caller'
import { log } from '../base/log'
import { open, seal, sha256 } from '../base/secrets'
import { deviceCookie } from './cookies'
import type { SessionFacts } from './facts'
import * as store from './store-drafts'

export interface Draft {
  /** Which form of the page. */
  form: string
  /** By the fields' names. Never a secret: the caller leaves those out. */
  values: Record<string, string>
}

const PURPOSE = 'draft'
/** All that was typed: as long as a form that the host lets in (256 KB). Every valid form is shorter. */
const MAX_CHARACTERS = 262_144
const MAX_PAGE = 200

/**
 * A sealed draft that is moved to another session or page does not open, and in another browser neither: a
 * thief with a copy of the session's cookie could else fill in a form that its owner then proves and sends.
 */
const boundTo = (sid: string, page: string, device: string): string => `${sid} ${sha256(device)} ${page}`

async function attempt<T>(fn: () => Promise<T>): Promise<T | null> {
  try {
    return await fn()
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'a draft was not kept or found')
    return null
  }
}

/**
 * Keeps a draft in the place of an older one of the page; not one that is too long, nor one of a browser
 * without the device cookie that came with its sign-in.
 * @returns whether it will be there after the proof
 */
export async function keep(
  { sid }: SessionFacts,
  { cookies }: Caller,
  page: string,
  draft: Draft,
): Promise<boolean> {
  const device = deviceCookie(cookies)
  const typed = Object.values(draft.values).reduce((sum, value) => sum + value.length, 0)
  if (!device || typed > MAX_CHARACTERS || page.length > MAX_PAGE) return false
  const text = JSON.stringify([draft.form, draft.values])
  return (
    (await attempt(() => store.write(sid, page, seal(PURPOSE, boundTo(sid, page, device), text)))) !== null
  )
}

/** The page's draft for the browser that typed it, else null. Changes nothing. */
export async function read({ sid }: SessionFacts, { cookies }: Caller, page: string): Promise<Draft | null> {
  const device = deviceCookie(cookies)
  if (!device || page.length > MAX_PAGE) return null
  return attempt(async () => {
    const sealed = await store.read(sid, page)
    if (!sealed) return null
    const opened = JSON.parse(open(PURPOSE, boundTo(sid, page, device), sealed))
    const [form, values] = opened as [string, Record<string, string>]
    return { form, values }
  })
}

/** Forgets the page's draft. */
export async function drop({ sid }: SessionFacts, page: string): Promise<void> {
  await attempt(() => store.remove(sid, page))
}
