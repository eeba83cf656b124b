/** People and browsers for the room's tests. */
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import * as factors from '../factors'
import * as notify from '../notify'
import * as sessions from '../sessions'
import { testCaller } from '../testing'
import * as users from '../users'

export const PASSWORD = 'violet anvil harbour lamp'
export const NEW_PASSWORD = 'copper lantern meadow tide'

export interface Person {
  id: string
  address: string
}

export async function person(
  options: { verified?: boolean; password?: string | null } = {},
): Promise<Person> {
  const address = `ada.${uuid().slice(0, 8)}@example.com`
  const { verified = true, password = PASSWORD } = options
  const hash = password ? await factors.password.hash(password) : null
  if (hash && !hash.ok) throw new Error('hash')
  const id = await inTx(async (tx) => {
    const made = await users.register(tx, { email: address, verified, firstName: 'Ada', locale: 'en' })
    if (!made.ok) throw new Error(made.refusal.code)
    if (hash) await factors.password.set(tx, made.value.id, hash.value)
    return made.value.id
  })
  return { id, address }
}

export const jar = (lines: string[], cookies: Record<string, string> = {}): Record<string, string> => ({
  ...cookies,
  ...Object.fromEntries(lines.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string])),
})

/** A browser in which this person is signed in since a moment ago. */
export async function browser(userId: string, from: Partial<Caller> = {}) {
  const caller = testCaller(from)
  const proofs = [{ method: 'password', amr: ['pwd'], at: nowMs() }]
  const opened = await sessions.open({ userId, method: 'password', proofs, caller })
  if (!opened.ok) throw new Error(opened.refusal.code)
  const cookies = jar(opened.value.setCookies)
  return { session: opened.value.facts, caller: { ...caller, cookies } }
}

/** What came to an address, newest first, once everything owed is sent. */
export async function mailsTo(to: string) {
  await audit.drain()
  return await notify.mailbox.list({ to })
}

export const tokenIn = (mail: { links: string[] } | undefined, path: string): string => {
  const link = mail?.links.find((url) => new URL(url).pathname === path)
  return (link && new URL(link).searchParams.get('token')) ?? ''
}

export const code = (result: { ok: boolean; refusal?: { code: string } }): string =>
  result.ok ? 'ok' : (result.refusal?.code ?? '?')
