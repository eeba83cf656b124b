/**
 * What a person typed into a form of the console before it asked them to prove again who they are. Belongs
 * to one session and one page; sealed; gone after fifteen minutes or when the form goes through. A
 * convenience: when Redis is away the form is empty, and nothing else happens.
 */
import { log } from '../base/log'
import { open, seal } from '../base/secrets'
import type { SessionFacts } from './facts'
import * as store from './store-drafts'

export interface Draft {
  /** Which form of the page. */
  form: string
  /** By the fields' names. Never a secret: the caller leaves those out. */
  values: Record<string, string>
}

const PURPOSE = 'draft'
const MAX_CHARACTERS = 8192
const MAX_PAGE = 200

/** A sealed draft that is moved to another session or page does not open. */
const boundTo = (sid: string, page: string): string => `${sid} ${page}`

async function attempt<T>(fn: () => Promise<T>): Promise<T | null> {
  try {
    return await fn()
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'a draft was not kept or found')
    return null
  }
}

/** Keeps a draft in the place of an older one of the page; one that is too long is not kept. */
export async function keep({ sid }: SessionFacts, page: string, draft: Draft): Promise<void> {
  const text = JSON.stringify([draft.form, draft.values])
  if (text.length > MAX_CHARACTERS || page.length > MAX_PAGE) return
  await attempt(() => store.write(sid, page, seal(PURPOSE, boundTo(sid, page), text)))
}

/** The page's draft, or null. Changes nothing. */
export async function read({ sid }: SessionFacts, page: string): Promise<Draft | null> {
  if (page.length > MAX_PAGE) return null
  return attempt(async () => {
    const sealed = await store.read(sid, page)
    if (!sealed) return null
    const [form, values] = JSON.parse(open(PURPOSE, boundTo(sid, page), sealed)) as [
      string,
      Record<string, string>,
    ]
    return { form, values }
  })
}

/** Forgets the page's draft. */
export async function drop({ sid }: SessionFacts, page: string): Promise<void> {
  await attempt(() => store.remove(sid, page))
}
