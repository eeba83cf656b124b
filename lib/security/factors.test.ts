import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { env } from '../base/env'
import * as factors from '../factors'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as security from './index'
import {
  codeOf,
  jar,
  mails,
  must,
  newest,
  person,
  refusal,
  type Someone,
  signIn,
  tokenFor,
} from './people.fixture'

const { sql } = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})

const asItWas = () => ({ ...env().secondFactor, ways: env().signInMethods })
let before: ReturnType<typeof asItWas> | undefined
/** The operator's settings, for one test. */
function policy(change: Partial<ReturnType<typeof asItWas>>): void {
  before ??= asItWas()
  const { ways, ...rest } = { ...asItWas(), ...change }
  Object.assign(env(), { secondFactor: rest, signInMethods: ways })
}
afterEach(() => {
  setClock(null)
  if (before) policy(before)
})

const later = (seconds: number) => {
  const at = Date.now()
  setClock(() => at + seconds * 1000)
}

/** Does what a browser does with new cookies: from now on it asks with the renewed session. */
async function renewed(someone: Someone, setCookies: string[]): Promise<Someone> {
  const who = await sessions.check(jar(setCookies))
  if (!who) throw new Error('no session')
  return { ...someone, who }
}

async function withApp(someone: Someone, name = 'Phone') {
  const { secret } = must(await security.authenticators.begin(someone.who, someone.caller))
  const added = must(
    await security.authenticators.confirm(someone.who, { code: codeOf(secret), name }, someone.caller),
  )
  return {
    someone: await renewed(someone, added.setCookies),
    id: added.id,
    secret,
    setCookies: added.setCookies,
  }
}

describe('an authenticator app', () => {
  test('comes by its first code, with an event, a mail, a new cookie, and a step-up for everywhere else', async () => {
    const ada = await person()
    const elsewhere = await signIn(ada.id)
    expect(sessions.isFresh(elsewhere)).toBe(true)
    const { id, someone } = await withApp(ada)
    expect(await factors.totp.list(ada.id)).toMatchObject([{ id, name: 'Phone' }])
    expect(someone.who).toMatchObject({ sid: ada.who.sid, generation: ada.who.generation + 1 })
    expect(sessions.isFresh(someone.who)).toBe(true)
    const other = await sessions.alive(elsewhere.sid)
    expect(other && sessions.isFresh(other)).toBe(false)
    const notice = await newest(ada.email)
    expect(notice.subject).toContain('A way to sign in was added')
    expect(notice.text).toContain('Phone')
    const { items } = await audit.list(ada.id, { limit: 10, types: ['totp.added'] })
    expect(items).toHaveLength(1)
  })

  test('waits in its session alone, and a reload shows the same key', async () => {
    const ada = await person()
    const elsewhere = await signIn(ada.id)
    expect(await security.authenticators.pending(ada.who)).toBeNull()
    const { secret } = must(await security.authenticators.begin(ada.who, ada.caller))
    expect(await security.authenticators.pending(ada.who)).toMatchObject({ secret })
    expect(await security.authenticators.pending(elsewhere)).toBeNull()
    const stolen = { code: codeOf(secret), name: 'x' }
    expect(refusal(await security.authenticators.confirm(elsewhere, stolen, ada.caller))).toBe(
      'enrolment_over',
    )
  })

  test('is renamed without ado, and removed with a mail and its backup codes', async () => {
    const { someone, id } = await withApp(await person())
    const { codes, setCookies } = must(await security.backupCodes.generate(someone.who, someone.caller))
    expect(codes).toHaveLength(10)
    expect((await newest(someone.email)).subject).toContain('new backup codes')
    const ada = await renewed(someone, setCookies)
    const count = (await mails(ada.email)).length
    must(await security.authenticators.rename(ada.who, { id, name: 'Old phone' }, ada.caller))
    expect(await mails(ada.email)).toHaveLength(count)
    expect(must(await security.authenticators.remove(ada.who, { id }, ada.caller)).name).toBe('Old phone')
    expect((await newest(ada.email)).text).toContain('Old phone')
    expect(await factors.enrolled(ada.id)).toMatchObject({ totp: 0, backupCodes: 0 })
  })
})

describe('trusted browsers', () => {
  const trusting = async (userId: string) => {
    await sql(
      "UPDATE devices SET trusted_until = now() + interval '1 day', trust_hash = $2 WHERE user_id = $1",
      [userId, 'x'],
    )
    return (await sessions.devices(userId)).filter(({ trustedUntil }) => trustedUntil)
  }

  test('are asked again after a factor came, went, or backup codes were made', async () => {
    let { someone, id } = await withApp(await person())
    expect(await trusting(someone.id)).not.toEqual([])
    const made = must(await security.backupCodes.generate(someone.who, someone.caller))
    expect((await sessions.devices(someone.id)).filter(({ trustedUntil }) => trustedUntil)).toEqual([])
    someone = await renewed(someone, made.setCookies)
    await trusting(someone.id)
    must(await security.authenticators.remove(someone.who, { id }, someone.caller))
    expect((await sessions.devices(someone.id)).filter(({ trustedUntil }) => trustedUntil)).toEqual([])
  })

  test('are asked again one by one, by their owner alone', async () => {
    const [ada, eve] = [await person(), await person()]
    const [device] = await trusting(ada.id)
    if (!device) throw new Error('no device')
    expect(refusal(await security.devices.forget(eve.who, device.id))).toBe('not_found')
    must(await security.devices.forget(ada.who, device.id))
    expect(refusal(await security.devices.forget(ada.who, device.id))).toBe('not_found')
  })
})

describe('attacks', () => {
  test('enrolment_with_a_stolen_cookie_only', async () => {
    const ada = await person()
    const { secret } = must(await security.authenticators.begin(ada.who, ada.caller))
    later(11 * 60)
    const { who, caller } = ada
    expect(refusal(await security.authenticators.begin(who, caller))).toBe('proof_required')
    expect(await security.authenticators.pending(who)).toBeNull()
    const input = { code: codeOf(secret, 11 * 60), name: 'Phone' }
    expect(refusal(await security.authenticators.confirm(who, input, caller))).toBe('proof_required')
    expect(refusal(await security.backupCodes.generate(who, caller))).toBe('proof_required')
    expect(await factors.enrolled(ada.id)).toMatchObject({ totp: 0, backupCodes: 0 })
  })

  test('change_of_a_factor_without_a_fresh_proof', async () => {
    const { someone: ada, id } = await withApp(await person())
    later(11 * 60)
    expect(refusal(await security.authenticators.rename(ada.who, { id, name: 'x' }, ada.caller))).toBe(
      'proof_required',
    )
    expect(refusal(await security.authenticators.remove(ada.who, { id }, ada.caller))).toBe('proof_required')
    expect((await factors.enrolled(ada.id)).totp).toBe(1)
  })

  test('session_that_skipped_the_second_step_changes_factors', async () => {
    const { someone: ada, id } = await withApp(await person())
    const skipped = { ...ada.who, secondSkipped: true }
    expect(refusal(await security.authenticators.remove(skipped, { id }, ada.caller))).toBe('proof_required')
    expect(refusal(await security.authenticators.begin(skipped, ada.caller))).toBe('proof_required')
  })

  test('factor_of_another_account', async () => {
    const [{ someone: ada, id }, eve] = [await withApp(await person()), await person()]
    expect(refusal(await security.authenticators.rename(eve.who, { id, name: 'x' }, eve.caller))).toBe(
      'not_found',
    )
    expect(refusal(await security.authenticators.remove(eve.who, { id }, eve.caller))).toBe('not_found')
    expect(await factors.totp.list(ada.id)).toMatchObject([{ name: 'Phone' }])
  })

  test('cookie_from_before_a_factor_change', async () => {
    const ada = await person()
    const old = ada.who
    const { id } = await withApp(ada)
    expect(refusal(await security.authenticators.remove(old, { id }, ada.caller))).toBe('session_required')
    expect((await factors.enrolled(ada.id)).totp).toBe(1)
  })

  test('last_factor_removed_under_a_policy', async () => {
    policy({ policy: 'required' })
    const { someone: ada, id } = await withApp(await person())
    expect(refusal(await security.authenticators.remove(ada.who, { id }, ada.caller))).toBe('factor_required')
    expect((await factors.enrolled(ada.id)).totp).toBe(1)
    // Until the day it begins, and where it asks other roles, it may go.
    policy({ policy: 'required', from: Date.now() + 86_400_000 })
    expect(security.standing(ada.who, await factors.enrolled(ada.id))).toMatchObject({
      asked: 'required',
      from: expect.any(Number),
    })
    policy({ policy: 'optional', from: null, roles: ['admin'] })
    must(await security.authenticators.remove(ada.who, { id }, ada.caller))
  })

  test('last_two_factors_removed_at_once_under_a_policy', async () => {
    policy({ policy: 'required' })
    const first = await withApp(await person())
    const second = await withApp(first.someone, 'Tablet')
    const elsewhere = await signIn(second.someone.id)
    const both = await Promise.all([
      security.authenticators.remove(second.someone.who, { id: first.id }, second.someone.caller),
      security.authenticators.remove(elsewhere, { id: second.id }, second.someone.caller),
    ])
    expect(both.filter(({ ok }) => ok)).toHaveLength(1)
    expect((await factors.enrolled(second.someone.id)).totp).toBe(1)
  })

  test('method_that_is_switched_off_set_up_all_the_same', async () => {
    policy({ methods: ['security_key'] })
    const ada = await person()
    expect(refusal(await security.authenticators.begin(ada.who, ada.caller))).toBe('method_off')
    const input = { code: '123456', name: 'x' }
    expect(refusal(await security.authenticators.confirm(ada.who, input, ada.caller))).toBe('method_off')
    expect(refusal(await security.backupCodes.generate(ada.who, ada.caller))).toBe('method_off')
  })

  test('factor_of_a_thief_goes_with_this_was_not_me', async () => {
    const ada = await person()
    await withApp(ada, 'Thief')
    const token = await tokenFor(ada.email, 'lockdown')
    expect(await security.lockdown.peek(token)).toMatchObject({ factor: { name: 'Thief' } })
    must(await security.lockdown.lockDown(token, ada.caller))
    expect((await factors.enrolled(ada.id)).totp).toBe(0)
  })
})
