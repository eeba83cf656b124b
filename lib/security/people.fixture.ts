/** People with accounts and sessions, and their mail, for the tests of this room. */
import { createHmac } from 'node:crypto'
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import type { Result } from '../base/refusals'
import * as factors from '../factors'
import * as notify from '../notify'
import * as sessions from '../sessions'
import { testCaller } from '../testing'
import * as users from '../users'
import * as security from './index'

export const PASSWORD = 'violet anvil harbour lamp'
let passwordHash: string | null = null

export const address = (name = 'ada') => `${name}.${uuid().slice(0, 8)}@example.com`

let octet = 0
/** A caller from a network of their own. */
export const somewhere = (): Caller => {
  octet++
  const ip = `198.18.${octet >> 8}.${octet & 255}`
  return testCaller({ ip, ipPrefix: ip })
}

export async function signIn(userId: string, caller = somewhere()): Promise<sessions.SessionFacts> {
  const proofs = [{ method: 'password', amr: ['pwd'], at: nowMs() }]
  const opened = await sessions.open({ userId, method: 'password', proofs, caller })
  if (!opened.ok) throw new Error(opened.refusal.code)
  return opened.value.facts
}

/** Somebody with one proven address, signed in a moment ago. */
export async function person(email = address()) {
  const hashed = passwordHash ?? must(await factors.password.hash(PASSWORD))
  passwordHash = hashed
  const caller = somewhere()
  const id = await inTx(async (tx) => {
    const made = must(await users.register(tx, { email, verified: true, locale: 'en', caller }))
    await factors.password.set(tx, made.id, hashed)
    return made.id
  })
  return { id, email, caller, who: await signIn(id, caller) }
}

export const jar = (lines: string[]): Record<string, string> =>
  Object.fromEntries(lines.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string]))

/** The code of a base32 secret, `seconds` from now (RFC 6238: SHA-1, 30 s, 6 digits). */
export function codeOf(secret: string, seconds = 0): string {
  const bits = [...secret.replace(/=+$/, '')]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor((Date.now() / 1000 + seconds) / 30)))
  const mac = createHmac('sha1', key).update(step).digest()
  const at = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

export type Someone = Awaited<ReturnType<typeof person>>

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.refusal.code)
  return result.value
}

export const refusal = (result: Result<unknown>): string | null => (result.ok ? null : result.refusal.code)

/** Everything that was sent to an address, newest first. */
export async function mails(to: string) {
  await audit.drain()
  return notify.mailbox.list({ to, limit: 200 })
}

export async function newest(to: string) {
  const [mail] = await mails(to)
  if (!mail) throw new Error(`no mail to ${to}`)
  return mail
}

/** The token of the newest mail's link to a page of ours. */
export async function tokenFor(
  to: string,
  page: 'undo' | 'lockdown' | 'keep',
  mail?: { links: string[] },
): Promise<string> {
  const { links } = mail ?? (await newest(to))
  const link = links.find((url) => new URL(url).pathname === `/${page}`)
  return (link && new URL(link).searchParams.get('token')) ?? ''
}

/** Adds an address and proves it by the code of its mail. */
export async function proven(
  someone: Someone,
  email = address('second'),
): Promise<{ id: string; email: string }> {
  const { id } = must(await security.emails.add(someone.who, email, someone.caller))
  const code = (await newest(email)).codes[0] ?? ''
  must(await security.emails.verify(someone.who, id, code, someone.caller))
  return { id, email }
}

export const primaryOf = async (userId: string) => (await users.get(userId))?.email
export const addressesOf = async (userId: string) =>
  (await users.emails.list(userId)).map((one) => one.address)
