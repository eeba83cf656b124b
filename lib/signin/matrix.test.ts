/**
 * Way in × what is set up × policy × state of the user, on the real verbs and stores. What is expected is said here
 * anew, in other words than `nextStep` has, so that one mistake would have to be made twice.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import { nowMs, setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import * as notify from '../notify'
import * as recovery from '../recovery'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as users from '../users'
import * as signin from './index'
import {
  begin,
  done,
  FIRST,
  type Having,
  must,
  PASSWORD,
  person,
  refusal,
  SECOND,
  type Someone,
  sentTo,
  stepOf,
  type Way,
} from './people.fixture'
import { atAcme, usePeers } from './provider.fixture'

const { sql } = useStores({
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  LIMIT_MAILS_PER_RECIPIENT_HOUR: '1000',
  LIMIT_SMS_PER_NUMBER_HOUR: '1000',
  LIMIT_SMS_PER_IP_DAY: '1000',
  LIMIT_SMS_PER_PREFIX_DAY: '1000',
})

const { peers } = usePeers()

let ahead = 0
/** Every sign-in has a time of its own: codes are good once, and may not be asked for too often. */
const anotherTime = () => {
  ahead += 15 * 60_000
  setClock(() => Date.now() + ahead)
}

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterAll(() => setClock(null))
afterEach(() => under({}))

const NAMES = [
  'SECOND_FACTOR',
  'SECOND_FACTOR_ROLES',
  'SECOND_FACTOR_FROM',
  'SECOND_FACTOR_METHODS',
  'SIGN_IN_METHODS',
  'UNUSUAL_SIGN_IN',
]
function under(env: Record<string, string>): void {
  for (const name of NAMES) delete process.env[name]
  Object.assign(process.env, env)
  reloadEnv()
}

const POLICIES: Record<string, Record<string, string>> = {
  optional: {},
  'required by the operator': { SECOND_FACTOR: 'required' },
  'required of a role they have': { SECOND_FACTOR_ROLES: 'user' },
  'authenticator apps alone': { SECOND_FACTOR_METHODS: 'totp' },
  'codes by mail and phone stand in': {
    SECOND_FACTOR_METHODS: 'totp,passkey,security_key,backup_code,email_code,sms_code',
  },
  'passkeys alone': { SIGN_IN_METHODS: 'passkey' },
  'more of whoever was long away': { UNUSUAL_SIGN_IN: 'second_factor' },
}
type PolicyName = keyof typeof POLICIES

const SETS: Record<string, Having> = {
  nothing: {},
  'an authenticator app': { totp: true },
  'a passkey that verifies': { passkey: 'verified' },
  'a passkey that is only touched': { passkey: 'touched' },
  'a security key': { key: true },
  'backup codes alone': { codes: true },
  everything: { totp: true, passkey: 'verified', key: true, codes: true },
}

const STATES = ['active', 'locked', 'disabled'] as const
type State = (typeof STATES)[number]
const WAYS = Object.keys(FIRST) as Way[]

type Expected = 'method_off' | 'wrong_credentials' | 'account_disabled' | 'second' | 'enroll' | 'done'

/** The rules, as an operator would say them. */
function rule(way: Way, having: Having, policy: PolicyName, state: State): Expected {
  const keysOnly = policy === 'passkeys alone'
  if (keysOnly && way !== 'passkey' && way !== 'email_code') return 'method_off'
  if (state === 'disabled') return 'account_disabled'
  if (state === 'locked' && way === 'password') return 'wrong_credentials'
  const appsOnly = policy === 'authenticator apps alone'
  // A passkey is a way in here, so it stays one that counts.
  const strong = having.totp || having.passkey || (having.key && !appsOnly)
  const both = way === 'passkey' && having.passkey === 'verified'
  if (strong && !both) return 'second'
  if (keysOnly && !having.passkey) return 'enroll'
  if (policy === 'more of whoever was long away' && !both) {
    // Who came by mail has nothing else once the password is locked, but for codes on paper.
    return way === 'email_code' && state === 'locked' && !having.codes ? 'done' : 'second'
  }
  const needed = policy === 'required by the operator' || policy === 'required of a role they have'
  return needed && !strong ? 'enroll' : 'done'
}

async function somebody(having: Having, state: State): Promise<Someone> {
  const ada = await person({ ...having, phone: true, linked: atAcme(peers()) })
  if (state === 'locked') await inTx((tx) => users.lockDown(tx, ada.id))
  if (state === 'disabled') await users.disable(ada.id, { reason: 'left', actor: 'operator' })
  return ada
}

/** The last sign-in was a hundred days ago. */
const longAway = (id: string) =>
  sql('UPDATE users SET last_login_at = $2 WHERE id = $1', [id, new Date(nowMs() - 100 * 86_400_000)])

const live = async (id: string) => (await sessions.list(id)).length

describe.each(STATES)('somebody %s', (state) => {
  describe.each(Object.entries(SETS))('with %s', (_, having) => {
    it('by_no_way_in_and_under_no_policy_skips_a_factor', async () => {
      const ada = await somebody(having, state)
      for (const policy of Object.keys(POLICIES)) {
        for (const way of WAYS) {
          if (way === 'passkey' && !having.passkey) continue
          anotherTime()
          under(POLICIES[policy] ?? {})
          const name = `${policy}, ${way}`
          const expected = rule(way, having, policy, state)
          const before = await live(ada.id)
          if (policy === 'more of whoever was long away') await longAway(ada.id)
          const browser = await begin()
          const result = await FIRST[way](browser, ada)
          expect(refusal(result) ?? stepOf(result), name).toBe(expected)
          if (result.ok && result.value.step === 'done') {
            const { facts } = result.value
            expect(facts.secondSkipped, name).toBe(false)
            expect(facts.acr, name).toBe(way === 'passkey' && having.passkey === 'verified' ? 'aal2' : 'aal1')
            await sessions.revoke({ userId: ada.id, sid: facts.sid }, { reason: 'test' })
            continue
          }
          // Half signed in is not signed in, and does not become so by asking (SES6).
          expect(await sessions.check(browser.caller.cookies), name).toBeNull()
          expect(stepOf(await signin.complete(browser.flow, browser.caller)), name).toBe(
            'refused: flow_expired',
          )
          expect(await live(ada.id), name).toBe(before)
          if (expected === 'second') await finish(ada, browser, way, name)
        }
      }
    }, 120_000)
  })
})

/** Whatever is offered works, and makes a session that says what is true. */
async function finish(
  ada: Someone,
  first: Awaited<ReturnType<typeof begin>>,
  way: Way,
  name: string,
): Promise<void> {
  const view = must(await signin.expect(first.flow, first.caller))
  const offers = view.second?.offers.map(({ method }) => method) ?? []
  expect(offers.length, name).toBeGreaterThan(0)
  expect(offers, name).not.toContain(way === 'passkey' ? 'security_key' : way)
  // An account elsewhere may be no more than the mailbox; somebody long away without a second factor has nothing else.
  if (way === 'oauth' && !name.startsWith('more of')) expect(offers, name).not.toContain('email_code')
  const [best] = offers
  // One of the offers for each sign-in, another one each time.
  const method = offers[Math.floor(nowMs() / 900_000) % offers.length] ?? best
  if (!method) return
  const result = await SECOND[method](first, ada)
  if (stepOf(result) === 'enroll') return
  const { facts } = done(result)
  const known = way === 'password' || method === 'password'
  const verified = method === 'passkey'
  const held = way === 'sms_code' || way === 'passkey' || !['password', 'email_code'].includes(method)
  expect(facts.acr, `${name}, then ${method}`).toBe(verified || (known && held) ? 'aal2' : 'aal1')
  expect(facts.secondSkipped, name).toBe(false)
  await sessions.revoke({ userId: ada.id, sid: facts.sid }, { reason: 'test' })
}

describe('a way back in', () => {
  const tokenIn = async (to: string, page: string): Promise<string> => {
    await sentTo(to)
    for (const mail of await notify.mailbox.list({ to })) {
      const link = mail.links.find((url) => new URL(url).pathname === page)
      if (link) return new URL(link).searchParams.get('token') ?? ''
    }
    return ''
  }
  const NEXT = 'copper lantern meadow tide'

  it('reset_does_not_bypass_the_second_factor', async () => {
    anotherTime()
    const ada = await person({ totp: true })
    const { caller } = await begin()
    must(await recovery.forgot({ email: ada.email }, caller))
    must(await recovery.reset({ token: await tokenIn(ada.email, '/reset'), password: NEXT }, caller))
    const { flow, caller: here } = await begin()
    const result = await signin.password(flow, { email: ada.email, password: NEXT }, here)
    expect(stepOf(result)).toBe('second')
    expect(await live(ada.id)).toBe(0)
  })

  it('recovery_keeps_the_second_factor_unless_the_person_says_it_is_lost', async () => {
    for (const removeFactors of [false, true]) {
      anotherTime()
      const ada = await person({ totp: true })
      const { caller } = await begin()
      const { token } = must(await recovery.delayed.request({ email: ada.email }, caller))
      await sentTo(ada.email)
      ahead += 73 * 3_600_000
      must(await recovery.delayed.complete({ token, password: NEXT, removeFactors }, caller))
      const { flow, caller: here } = await begin()
      const result = await signin.password(flow, { email: ada.email, password: NEXT }, here)
      expect(stepOf(result)).toBe(removeFactors ? 'done' : 'second')
    }
  })

  it('sign-up leads to the second factor where it is required', async () => {
    anotherTime()
    under({ SECOND_FACTOR: 'required' })
    const { flow, caller } = await begin()
    const email = `new.${ahead}@example.com`
    must(await signin.signUp(flow, { email, password: PASSWORD }, caller))
    expect(stepOf(await signin.verify(flow, { code: await sentTo(email) }, caller))).toBe('enroll')
    expect(await sessions.check(caller.cookies)).toBeNull()
    expect(refusal(await signin.postponeEnroll(flow, caller))).toBe('flow_expired')
  })
})
