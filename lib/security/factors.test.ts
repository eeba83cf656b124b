import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { env } from '../base/env'
import * as factors from '../factors'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import { Authenticator } from '../testing/authenticator'
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

async function withKey(
  someone: Someone,
  kind: 'passkey' | 'security_key' = 'passkey',
  device = new Authenticator(kind === 'passkey' ? 'synced' : 'key'),
) {
  const options = must(await security.passkeys.options(someone.who, { kind }, someone.caller))
  const response = device.create(options)
  const added = must(await security.passkeys.add(someone.who, { response }, someone.caller))
  return { someone: await renewed(someone, added.setCookies), id: added.id, device }
}

describe('a passkey', () => {
  test('comes with an event, a mail, a new cookie, and is told to the browser', async () => {
    const { someone: ada, id } = await withKey(await person())
    expect(await factors.passkeys.list(ada.id)).toMatchObject([{ id, kind: 'passkey' }])
    expect((await newest(ada.email)).subject).toContain('A way to sign in was added')
    expect((await audit.list(ada.id, { limit: 10, types: ['passkey.added'] })).items).toHaveLength(1)
    const [key] = await factors.passkeys.list(ada.id)
    expect(await factors.passkeys.signal(ada.id)).toMatchObject({
      rpId: 'localhost',
      allAcceptedCredentialIds: [key?.credentialId],
    })
  })

  test('is renamed, removed and no longer told to the browser', async () => {
    const { someone: ada, id } = await withKey(await person())
    must(await security.passkeys.rename(ada.who, { id, name: 'Laptop' }, ada.caller))
    const removed = must(await security.passkeys.remove(ada.who, { id }, ada.caller))
    expect(removed).toMatchObject({ name: 'Laptop', kind: 'passkey' })
    expect((await newest(ada.email)).text).toContain('Laptop')
    expect((await factors.passkeys.signal(ada.id))?.allAcceptedCredentialIds).toEqual([])
  })

  test('stays apart from security keys', async () => {
    const first = await withKey(await person())
    const { someone: ada } = await withKey(first.someone, 'security_key')
    expect(await factors.enrolled(ada.id)).toMatchObject({ passkeys: 1, securityKeys: 1 })
    expect(security.standing(ada.who, await factors.enrolled(ada.id))).toMatchObject({ on: true })
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

  test('passkey_set_up_by_a_session_that_is_not_fresh', async () => {
    const ada = await person()
    const asked = { kind: 'passkey' } as const
    const options = must(await security.passkeys.options(ada.who, asked, ada.caller))
    later(11 * 60)
    const response = new Authenticator().create(options)
    expect(refusal(await security.passkeys.options(ada.who, asked, ada.caller))).toBe('proof_required')
    expect(refusal(await security.passkeys.add(ada.who, { response }, ada.caller))).toBe('proof_required')
    expect((await factors.enrolled(ada.id)).passkeys).toBe(0)
  })

  test('passkey_options_of_one_session_answered_by_another', async () => {
    const ada = await person()
    const elsewhere = await signIn(ada.id)
    const options = must(await security.passkeys.options(ada.who, { kind: 'passkey' }, ada.caller))
    const response = new Authenticator().create(options)
    expect(refusal(await security.passkeys.add(elsewhere, { response }, ada.caller))).toBe('passkey_expired')
    expect((await factors.enrolled(ada.id)).passkeys).toBe(0)
  })

  test('passkey_of_another_account', async () => {
    const [{ someone: ada, id }, eve] = [await withKey(await person()), await person()]
    const { who, caller } = eve
    expect(refusal(await security.passkeys.rename(who, { id, name: 'x' }, caller))).toBe('not_found')
    expect(refusal(await security.passkeys.remove(who, { id }, caller))).toBe('not_found')
    expect((await factors.enrolled(ada.id)).passkeys).toBe(1)
  })

  test('last_way_to_sign_in_removed', async () => {
    const { someone: ada, id } = await withKey(await person())
    policy({ ways: ['password', 'passkey'] })
    await sql('DELETE FROM passwords WHERE user_id = $1', [ada.id])
    expect(refusal(await security.passkeys.remove(ada.who, { id }, ada.caller))).toBe('last_way_back')
    policy({ ways: ['passkey'] })
    expect(refusal(await security.passkeys.remove(ada.who, { id }, ada.caller))).toBe('factor_required')
    policy({ ways: ['email_code', 'passkey'] })
    must(await security.passkeys.remove(ada.who, { id }, ada.caller))
  })

  test('passkey_of_a_thief_goes_with_this_was_not_me', async () => {
    const { someone: ada } = await withKey(await person())
    const token = await tokenFor(ada.email, 'lockdown')
    must(await security.lockdown.lockDown(token, ada.caller))
    expect((await factors.enrolled(ada.id)).passkeys).toBe(0)
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

  test('session_that_was_fresh_until_a_factor_came_elsewhere', async () => {
    const ada = await person()
    // What another process still remembers of a session, for five seconds at most.
    const elsewhere = await signIn(ada.id)
    const options = must(await security.passkeys.options(elsewhere, { kind: 'passkey' }, ada.caller))
    const { id } = await withApp(ada)
    expect(sessions.isFresh(elsewhere)).toBe(true)
    const { remove } = security.authenticators
    expect(refusal(await remove(elsewhere, { id }, ada.caller))).toBe('session_required')
    const response = new Authenticator().create(options)
    expect(refusal(await security.passkeys.add(elsewhere, { response }, ada.caller))).toBe('session_required')
    expect(refusal(await security.backupCodes.generate(elsewhere, ada.caller))).toBe('session_required')
    expect(await factors.enrolled(ada.id)).toMatchObject({ totp: 1, passkeys: 0, backupCodes: 0 })
  })

  test('one that is switched off may go, whatever the policy asks for', async () => {
    const { someone: ada, id } = await withApp(await person())
    policy({ policy: 'required', methods: ['security_key'] })
    expect(security.standing(ada.who, await factors.enrolled(ada.id)).on).toBe(false)
    must(await security.authenticators.remove(ada.who, { id }, ada.caller))
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
    expect(await security.lockdown.peek(token)).toMatchObject({ factors: [{ kind: 'totp', name: 'Thief' }] })
    must(await security.lockdown.lockDown(token, ada.caller))
    expect((await factors.enrolled(ada.id)).totp).toBe(0)
  })
})
