/** People with every kind of factor, and browsers that sign in, for the tests of this room. */
import { createHmac } from 'node:crypto'
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import type { Result } from '../base/refusals'
import * as factors from '../factors'
import * as notify from '../notify'
import { testCaller } from '../testing'
import { Authenticator } from '../testing/authenticator'
import type { PeerPerson } from '../testing/peers'
import * as users from '../users'
import * as signin from './index'

export const PASSWORD = 'violet anvil harbour lamp'
let passwordHash: string | null = null

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.refusal.code)
  return result.value
}

export const jar = (lines: string[], cookies: Record<string, string> = {}): Record<string, string> => ({
  ...cookies,
  ...Object.fromEntries(lines.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string])),
})

let octet = 0
/** A caller from a network of their own. */
export function somewhere(cookies: Record<string, string> = {}): Caller {
  octet++
  const ip = `198.18.${octet >> 8}.${octet & 255}`
  return testCaller({ ip, ipPrefix: ip, cookies })
}

/** A browser that has begun a sign-in. */
export async function begin(
  cookies: Record<string, string> = {},
  input: Partial<Parameters<typeof signin.begin>[0]> = {},
) {
  const caller = somewhere(cookies)
  const { flow, setCookies } = must(await signin.begin({ returnTo: '/account', ...input, caller }))
  return { flow, caller: { ...caller, cookies: jar(setCookies, cookies) } }
}

export type Browser = Awaited<ReturnType<typeof begin>>

export interface Having {
  password?: boolean
  totp?: boolean
  /** A passkey that verifies its user, or one that does not. */
  passkey?: 'verified' | 'touched'
  key?: boolean
  codes?: boolean
  phone?: boolean
  roles?: string[]
  verified?: boolean
  /** An account at a provider of this test's, linked to them. */
  linked?: Linked
}

interface Linked {
  person: PeerPerson
  link: (userId: string, person: PeerPerson) => Promise<unknown>
  arrive: (browser: Browser, person: PeerPerson) => Promise<Result<signin.Outcome>>
}

let numbers = 0

/** Somebody who has set up just this. */
export async function person(having: Having = {}) {
  const { password = true, verified = true, roles = [] } = having
  passwordHash ??= must(await factors.password.hash(PASSWORD))
  const hash = passwordHash
  const email = `ada.${uuid().slice(0, 8)}@example.com`
  const caller = somewhere()
  const id = await inTx(async (tx) => {
    const made = must(await users.register(tx, { email, verified, firstName: 'Ada', locale: 'en', roles }))
    if (password) await factors.password.set(tx, made.id, hash)
    return made.id
  })
  let secret = ''
  if (having.totp) {
    secret = must(await factors.totp.begin(id, { label: email, binding: 'set-up' })).secret
    // Of the step before, so that the code of this one is still good.
    const code = codeOf(secret, -30)
    must(await inTx((tx) => factors.totp.confirm(tx, id, { code, name: 'Phone', binding: 'set-up' }, caller)))
  }
  const add = async (kind: factors.PasskeyKind, authenticator: Authenticator) => {
    const options = await factors.passkeys.registrationOptions(id, {
      name: email,
      displayName: 'Ada',
      kind,
      binding: 'set-up',
    })
    const response = authenticator.create(options)
    must(await inTx((tx) => factors.passkeys.register(tx, id, { response, binding: 'set-up' }, caller)))
    return authenticator
  }
  const touched = having.passkey === 'touched'
  const authenticator = having.passkey ? await add('passkey', new Authenticator('synced')) : null
  const key = having.key ? await add('security_key', new Authenticator('key')) : null
  const codes = having.codes ? await inTx((tx) => factors.backupCodes.generate(tx, id, caller)) : []
  const phone = having.phone ? await number(id) : null
  const { linked } = having
  if (linked) await linked.link(id, linked.person)
  return { id, email, secret, authenticator, touched, key, codes, phone, linked }
}

export type Someone = Awaited<ReturnType<typeof person>>

async function number(userId: string): Promise<string> {
  numbers++
  const typed = `+49151123${String(10_000 + numbers)}`
  const caller = somewhere()
  must(await users.phones.add(userId, { number: typed }, caller))
  await inTx((tx) => users.phones.verify(tx, userId, typed, caller))
  return typed
}

/** The code of a base32 secret, `seconds` from now (RFC 6238: SHA-1, 30 s, 6 digits). */
export function codeOf(secret: string, seconds = 0): string {
  const bits = [...secret.replace(/=+$/, '')]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor((nowMs() / 1000 + seconds) / 30)))
  const mac = createHmac('sha1', bytes).update(step).digest()
  const at = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** Six digits that are no code of this secret anywhere near. */
export const wrongFor = (secret: string): string =>
  ['000000', '111111', '222222', '333333', '444444', '555555', '666666', '777777'].find(
    (code) => ![-60, -30, 0, 30, 60].some((seconds) => codeOf(secret, seconds) === code),
  ) ?? '888888'

/** The code of the newest message to an address or number. */
export async function sentTo(to: string): Promise<string> {
  await audit.drain()
  const [message] = await notify.mailbox.list({ to })
  return message?.codes[0] ?? ''
}

export const refusal = (result: Result<signin.Outcome>): string | undefined =>
  result.ok ? ('refusal' in result.value ? result.value.refusal?.code : undefined) : result.refusal.code

export const stepOf = (result: Result<signin.Outcome>): string =>
  result.ok ? result.value.step : `refused: ${result.refusal.code}`

export function done(result: Result<signin.Outcome>): signin.Completed {
  if (!result.ok || result.value.step !== 'done') throw new Error(`not done: ${JSON.stringify(result)}`)
  return result.value
}

/** The authenticator's answer to what the attempt asks of a key now. */
export async function answerOf(
  { flow, caller }: Browser,
  authenticator: Authenticator,
  bend: Parameters<Authenticator['get']>[1] = {},
): Promise<unknown> {
  const asked = must(await signin.passkeyOptions(flow, caller))
  return asked.ceremony === 'get'
    ? authenticator.get(asked.options, bend)
    : authenticator.create(asked.options)
}

/** The first proof of each way in, for this person. */
export const FIRST = {
  password: ({ flow, caller }: Browser, { email }: Someone) =>
    signin.password(flow, { email, password: PASSWORD }, caller),
  email_code: async ({ flow, caller }: Browser, { email }: Someone) => {
    const asked = await signin.emailCode(flow, { email }, caller)
    if (refusal(asked)) return asked
    return signin.verify(flow, { code: await sentTo(email) }, caller)
  },
  sms_code: async ({ flow, caller }: Browser, { phone }: Someone) => {
    if (!phone) throw new Error('no phone')
    const asked = await signin.phoneCode(flow, { phone }, caller)
    if (refusal(asked)) return asked
    return signin.verify(flow, { code: await sentTo(phone) }, caller)
  },
  passkey: async (browser: Browser, { authenticator, touched }: Someone) => {
    if (!authenticator) throw new Error('no passkey')
    const response = await answerOf(browser, authenticator, touched ? { uv: false } : {})
    return signin.passkey(browser.flow, { response }, browser.caller)
  },
  oauth: async (browser: Browser, { linked }: Someone) => {
    if (!linked) throw new Error('no linked account')
    return linked.arrive(browser, linked.person)
  },
} as const

export type Way = keyof typeof FIRST

/** A right second proof of each kind. */
export const SECOND = {
  totp: ({ flow, caller }: Browser, { secret }: Someone, trust = false) =>
    signin.second(flow, { method: 'totp', code: codeOf(secret), trust }, caller),
  backup_code: ({ flow, caller }: Browser, { codes }: Someone, trust = false) =>
    signin.second(flow, { method: 'backup_code', code: codes.shift() ?? '', trust }, caller),
  password: ({ flow, caller }: Browser, _: Someone, trust = false) =>
    signin.second(flow, { method: 'password', code: PASSWORD, trust }, caller),
  email_code: async ({ flow, caller }: Browser, { email }: Someone, trust = false) => {
    must(await signin.sendSecond(flow, { method: 'email_code' }, caller))
    return signin.second(flow, { method: 'email_code', code: await sentTo(email), trust }, caller)
  },
  sms_code: async ({ flow, caller }: Browser, { phone }: Someone, trust = false) => {
    must(await signin.sendSecond(flow, { method: 'sms_code' }, caller))
    return signin.second(flow, { method: 'sms_code', code: await sentTo(phone ?? ''), trust }, caller)
  },
  passkey: async (browser: Browser, { authenticator }: Someone, trust = false) => {
    if (!authenticator) throw new Error('no passkey')
    const response = await answerOf(browser, authenticator)
    return signin.passkey(browser.flow, { response, trust }, browser.caller)
  },
  security_key: async (browser: Browser, { key }: Someone, trust = false) => {
    if (!key) throw new Error('no key')
    const response = await answerOf(browser, key)
    return signin.passkey(browser.flow, { response, trust }, browser.caller)
  },
} as const
