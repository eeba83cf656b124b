import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import { key } from '../base/keys'
import { redis } from '../base/redis'
import * as factors from '../factors'
import * as notify from '../notify'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as signin from './index'

const stores = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
const PASSWORD = 'violet anvil harbour lamp'

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => setClock(null))

const email = () => `ada.${uuid().slice(0, 8)}@example.com`

function jar(setCookies: string[], cookies: Record<string, string> = {}): Record<string, string> {
  const pairs = setCookies.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string])
  return { ...cookies, ...Object.fromEntries(pairs) }
}

/** A browser that has begun a sign-in. */
async function begin(from: Partial<Caller> = {}, input: Partial<Parameters<typeof signin.begin>[0]> = {}) {
  const caller = testCaller(from)
  const begun = await signin.begin({ returnTo: '/account', ...input, caller })
  if (!begun.ok) throw new Error(begun.refusal.code)
  return {
    flow: begun.value.flow,
    caller: { ...caller, cookies: jar(begun.value.setCookies, caller.cookies) },
  }
}

async function person(options: { verified?: boolean } = {}) {
  const address = email()
  const hash = await factors.password.hash(PASSWORD)
  if (!hash.ok) throw new Error('hash')
  const id = await inTx(async (tx) => {
    const made = await users.register(tx, {
      email: address,
      verified: options.verified ?? true,
      firstName: 'Ada',
      locale: 'en',
    })
    if (!made.ok) throw new Error(made.refusal.code)
    await factors.password.set(tx, made.value.id, hash.value)
    return made.value.id
  })
  return { id, address }
}

const codeFor = async (address: string): Promise<string> => {
  await audit.drain()
  const [mail] = await notify.mailbox.list({ to: address })
  return mail?.codes[0] ?? ''
}

function done(result: Awaited<ReturnType<typeof signin.password>>) {
  if (!result.ok || result.value.step !== 'done') throw new Error(`not done: ${JSON.stringify(result)}`)
  return result.value
}

const refusal = (result: Awaited<ReturnType<typeof signin.password>>): string | undefined =>
  result.ok ? ('refusal' in result.value ? result.value.refusal?.code : undefined) : result.refusal.code

describe('signing in with a password', () => {
  it('opens a session of that person, and the attempt is over', async () => {
    const ada = await person()
    const { flow, caller } = await begin()
    const { setCookies, returnTo } = done(
      await signin.password(flow, { email: ada.address, password: PASSWORD }, caller),
    )
    expect(returnTo).toBe('/account')
    expect(await sessions.check(jar(setCookies))).toMatchObject({
      userId: ada.id,
      amr: ['pwd'],
      method: 'password',
    })
    expect(await signin.expect(flow, caller)).toMatchObject({ ok: true, value: { step: 'done' } })
    expect(refusal(await signin.password(flow, { email: ada.address, password: PASSWORD }, caller))).toBe(
      'flow_expired',
    )
  })

  it('two_posts_at_once_open_one_session', async () => {
    const ada = await person()
    const { flow, caller } = await begin()
    const post = () => signin.password(flow, { email: ada.address, password: PASSWORD }, caller)
    const results = await Promise.all([post(), post(), post()])
    expect(results.filter((r) => r.ok && r.value.step === 'done')).toHaveLength(1)
    expect(await sessions.list(ada.id)).toHaveLength(1)
  })

  it('one_attempt_is_one_session_also_when_redis_fails_after_it', async () => {
    const ada = await person()
    const { flow, caller } = await begin()
    const told = vi.spyOn(redis(), 'publish').mockRejectedValueOnce(new Error('Connection is closed.'))
    done(await signin.password(flow, { email: ada.address, password: PASSWORD }, caller))
    expect(told).toHaveBeenCalledOnce()
    expect((await signin.complete(flow, caller)).ok).toBe(false)
    expect(await sessions.list(ada.id)).toHaveLength(1)
  })

  it('unknown_name_and_wrong_password_answer_alike', async () => {
    const ada = await person()
    const [known, unknown] = [await begin(), await begin()]
    const a = await signin.password(
      known.flow,
      { email: ada.address, password: 'wrong wrong wrong' },
      known.caller,
    )
    const b = await signin.password(
      unknown.flow,
      { email: email(), password: 'wrong wrong wrong' },
      unknown.caller,
    )
    expect(a).toEqual(b)
    const views = [
      await signin.expect(known.flow, known.caller),
      await signin.expect(unknown.flow, unknown.caller),
    ]
    const strip = (v: (typeof views)[number] | undefined) => (v?.ok ? { ...v.value, flow: '', typed: {} } : v)
    expect(strip(views[0])).toEqual(strip(views[1]))
  })

  it('disabled_user_with_the_right_password_gets_no_session', async () => {
    const ada = await person()
    await users.disable(ada.id, { reason: 'left', actor: 'operator' })
    const { flow, caller } = await begin()
    expect(refusal(await signin.password(flow, { email: ada.address, password: PASSWORD }, caller))).toBe(
      'account_disabled',
    )
    expect(await sessions.list(ada.id)).toHaveLength(0)
  })

  it('an address nobody proved yet is proven first', async () => {
    const ada = await person({ verified: false })
    const { flow, caller } = await begin()
    expect(await signin.password(flow, { email: ada.address, password: PASSWORD }, caller)).toMatchObject({
      ok: true,
      value: { step: 'verify_email' },
    })
    expect(await sessions.list(ada.id)).toHaveLength(0)
    const result = await signin.verify(flow, { code: await codeFor(ada.address) }, caller)
    expect(done(result).facts.userId).toBe(ada.id)
    expect(await users.get(ada.id)).toMatchObject({ status: 'active', emailVerified: true })
  })

  it('password_is_never_kept_in_the_attempt', async () => {
    const { flow, caller } = await begin()
    await signin.password(flow, { email: email(), password: 'canary-password-123' }, caller)
    const raw = await stores.redis().get(key('loginAttempt', flow))
    expect(raw).toMatch(/^v1\./)
    expect(JSON.stringify(await signin.expect(flow, caller))).not.toContain('canary')
  })

  it('proving again in a browser that is signed in renews its session', async () => {
    const ada = await person()
    const first = await begin()
    const one = done(
      await signin.password(first.flow, { email: ada.address, password: PASSWORD }, first.caller),
    )
    const cookies = jar(one.setCookies, first.caller.cookies)
    const second = await begin({ cookies }, { reauth: true })
    expect(await signin.expect(second.flow, second.caller)).toMatchObject({ value: { reauth: ada.address } })
    const two = done(
      await signin.password(second.flow, { email: ada.address, password: PASSWORD }, second.caller),
    )
    expect(two.facts.sid).toBe(one.facts.sid)
    expect(await sessions.check(cookies)).toBeNull()
    expect(await sessions.check(jar(two.setCookies, cookies))).not.toBeNull()
  })
})

describe('limits', () => {
  it('eleventh_wrong_password_from_anywhere_waits_and_the_owners_browser_does_not', async () => {
    const ada = await person()
    const home = await begin()
    const owner = jar(
      done(await signin.password(home.flow, { email: ada.address, password: PASSWORD }, home.caller))
        .setCookies,
      home.caller.cookies,
    )
    for (let i = 0; i < 10; i++) {
      const { flow, caller } = await begin({ ip: `192.0.2.${i}`, ipPrefix: `192.0.2.${i}` })
      expect(
        refusal(await signin.password(flow, { email: ada.address, password: `wrong ${i} wrong` }, caller)),
      ).toBe('wrong_credentials')
    }
    const stranger = await begin({ ip: '192.0.2.99', ipPrefix: '192.0.2.99' })
    const limited = await signin.password(
      stranger.flow,
      { email: ada.address, password: PASSWORD },
      stranger.caller,
    )
    expect(refusal(limited)).toBe('rate_limited')
    const back = await begin({ cookies: owner })
    expect(
      done(await signin.password(back.flow, { email: ada.address, password: PASSWORD }, back.caller)).facts
        .userId,
    ).toBe(ada.id)
  })

  it('tries_past_the_limit_do_not_fill_the_history_of_their_victim', async () => {
    const ada = await person()
    for (let n = 0; n < 25; n++) {
      const { flow, caller } = await begin({ ip: `198.51.100.${n}`, ipPrefix: `198.51.100.${n}` })
      await signin.password(flow, { email: ada.address, password: 'wrong wrong wrong' }, caller)
    }
    const count = async () =>
      (await audit.list(ada.id, { limit: 100, types: ['signin.failed', 'signin.limited'] })).items.length
    await expect.poll(count).toBe(11)
    // Written after all that was under way for this history, which is written in turn.
    await audit.record(null, { type: 'signin.succeeded', userId: ada.id })
    expect(await count()).toBe(11)
  })

  it('limit_shows_for_an_unknown_name_the_same_way', async () => {
    const nobody = email()
    const trace: (string | undefined)[] = []
    for (let i = 0; i < 11; i++) {
      const { flow, caller } = await begin()
      trace.push(refusal(await signin.password(flow, { email: nobody, password: 'wrong wrong' }, caller)))
    }
    expect(trace).toEqual([...Array(10).fill('wrong_credentials'), 'rate_limited'])
  })

  it('spellings_of_one_address_share_its_tries', async () => {
    const ada = await person()
    for (let i = 0; i < 10; i++) {
      const { flow, caller } = await begin()
      const spelling = i % 2 ? ada.address.toUpperCase() : ` ${ada.address} `
      await signin.password(flow, { email: spelling, password: 'wrong wrong' }, caller)
    }
    const { flow, caller } = await begin()
    expect(refusal(await signin.password(flow, { email: ada.address, password: PASSWORD }, caller))).toBe(
      'rate_limited',
    )
  })

  it('tries_survive_a_flush_of_redis', async () => {
    const ada = await person()
    for (let i = 0; i < 9; i++) {
      const { flow, caller } = await begin()
      await signin.password(flow, { email: ada.address, password: 'wrong wrong' }, caller)
    }
    await stores.redis().flushdb()
    const outcomes: (string | undefined)[] = []
    for (let i = 0; i < 3; i++) {
      const { flow, caller } = await begin()
      outcomes.push(
        refusal(await signin.password(flow, { email: ada.address, password: 'wrong wrong' }, caller)),
      )
    }
    expect(outcomes).toEqual(['wrong_credentials', 'rate_limited', 'rate_limited'])
  })

  it('hundred_guesses_at_once_are_ten', async () => {
    const ada = await person()
    const flows = await Promise.all(Array.from({ length: 30 }, () => begin()))
    const results = await Promise.all(
      flows.map(({ flow, caller }) =>
        signin.password(flow, { email: ada.address, password: 'wrong wrong' }, caller),
      ),
    )
    expect(results.map(refusal).filter((code) => code === 'rate_limited').length).toBeGreaterThanOrEqual(20)
  })

  it('one network that asks too often is told when to come back', async () => {
    const from = { ip: '192.0.2.200', ipPrefix: '192.0.2.200' }
    // The bucket must not leak while a slow machine fills it.
    const at = Date.now()
    setClock(() => at)
    const results = await Promise.all(
      Array.from({ length: 1010 }, () => signin.begin({ caller: testCaller(from) })),
    )
    const refused = results.filter((r) => !r.ok)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]).toMatchObject({
      refusal: { code: 'rate_limited', retryAfterSeconds: expect.any(Number) },
    })
  })
})

describe('signing up', () => {
  const fill = (address: string) => ({
    email: address,
    password: PASSWORD,
    firstName: 'Ada',
    lastName: 'Lovelace',
  })

  it('makes the account only when the address is proven, then signs in', async () => {
    const address = email()
    const { flow, caller } = await begin()
    expect(await signin.signUp(flow, fill(address), caller)).toMatchObject({
      ok: true,
      value: { step: 'verify_email' },
    })
    const { rows } = await stores.sql('SELECT 1 FROM emails WHERE address = $1', [address])
    expect(rows).toHaveLength(0)
    const { facts } = done(await signin.verify(flow, { code: await codeFor(address) }, caller))
    expect(facts).toMatchObject({ method: 'password', amr: ['pwd'] })
    expect(await users.get(facts.userId)).toMatchObject({
      email: address,
      emailVerified: true,
      status: 'active',
      name: 'Ada Lovelace',
    })
    const again = await begin()
    expect(
      done(await signin.password(again.flow, { email: address, password: PASSWORD }, again.caller)).facts
        .userId,
    ).toBe(facts.userId)
  })

  it('taken_address_walks_the_same_corridor_and_no_code_ever_matches', async () => {
    const ada = await person()
    const [taken, fresh] = [await begin(), await begin()]
    const results = [
      await signin.signUp(taken.flow, fill(ada.address), taken.caller),
      await signin.signUp(fresh.flow, fill(email()), fresh.caller),
    ]
    expect(results[0]).toEqual(results[1])
    await audit.drain()
    const [mail] = await notify.mailbox.list({ to: ada.address })
    expect(mail?.codes).toEqual([])
    for (const code of ['000000', '123456', '999999', '111111', '222222', '333333']) {
      const result = await signin.verify(taken.flow, { code }, taken.caller)
      expect(['code_wrong', 'code_exhausted', 'code_expired']).toContain(refusal(result))
    }
    const again = await begin()
    expect(
      done(await signin.password(again.flow, { email: ada.address, password: PASSWORD }, again.caller)).facts
        .userId,
    ).toBe(ada.id)
  })

  it('account_prepared_for_a_strangers_address_does_not_exist', async () => {
    const victim = email()
    const attacker = await begin()
    await signin.signUp(
      attacker.flow,
      { ...fill(victim), password: 'attackers own password' },
      attacker.caller,
    )
    const owner = await begin()
    await signin.signUp(owner.flow, fill(victim), owner.caller)
    const { facts } = done(await signin.verify(owner.flow, { code: await codeFor(victim) }, owner.caller))
    for (const password of ['attackers own password']) {
      const later = await begin()
      expect(refusal(await signin.password(later.flow, { email: victim, password }, later.caller))).toBe(
        'wrong_credentials',
      )
    }
    expect(refusal(await signin.verify(attacker.flow, { code: '123456' }, attacker.caller))).toMatch(/^code_/)
    expect(await users.find({ email: victim })).toMatchObject({ id: facts.userId })
  })

  it('an_address_that_was_only_claimed_keeps_nobody_from_it', async () => {
    const claim = await person({ verified: false })
    const { flow, caller } = await begin()
    await signin.signUp(flow, { ...fill(claim.address), password: 'the owners own password' }, caller)
    const { facts } = done(await signin.verify(flow, { code: await codeFor(claim.address) }, caller))
    expect(facts.userId).not.toBe(claim.id)
    expect(await users.find({ email: claim.address })).toMatchObject({ id: facts.userId })
    const later = await begin()
    expect(
      refusal(await signin.password(later.flow, { email: claim.address, password: PASSWORD }, later.caller)),
    ).toBe('wrong_credentials')
  })

  it('code_is_of_no_use_in_another_attempt', async () => {
    const address = email()
    const [mine, theirs] = [await begin(), await begin()]
    await signin.signUp(mine.flow, fill(address), mine.caller)
    const code = await codeFor(address)
    await signin.signUp(theirs.flow, fill(email()), theirs.caller)
    expect(refusal(await signin.verify(theirs.flow, { code }, theirs.caller))).toBe('code_wrong')
  })

  it('code_for_the_address_typed_before_is_dead_after_a_correction', async () => {
    const { flow, caller } = await begin()
    const [wrong, right] = [email(), email()]
    await signin.signUp(flow, fill(wrong), caller)
    const old = await codeFor(wrong)
    await signin.signUp(flow, fill(right), caller)
    expect(refusal(await signin.verify(flow, { code: old }, caller))).toBe('code_wrong')
    expect(done(await signin.verify(flow, { code: await codeFor(right) }, caller)).step).toBe('done')
  })

  it('two_proofs_of_one_address_at_once_make_one_account', async () => {
    const address = email()
    const flows = [await begin(), await begin()]
    for (const [index, { flow, caller }] of flows.entries()) {
      await signin.signUp(flow, fill(index ? address.toUpperCase() : address), caller)
    }
    await audit.drain()
    const mails = await notify.mailbox.list({ to: address })
    const codes = new Set(mails.flatMap((mail) => mail.codes))
    const tries = flows.flatMap(({ flow, caller }) =>
      [...codes].map((code) => signin.verify(flow, { code }, caller)),
    )
    await Promise.all(tries)
    const { rows } = await stores.sql('SELECT user_id FROM emails WHERE address = $1', [address])
    expect(rows).toHaveLength(1)
  })

  it('typed names never become markup or extra fields', async () => {
    const { flow, caller } = await begin()
    const input = {
      ...fill('nobody'),
      firstName: '<b>x</b>\u0000',
      status: 'active',
      emailVerified: true,
      userId: uuid(),
    }
    expect(refusal(await signin.signUp(flow, input, caller))).toBe('invalid_email')
    expect(await signin.expect(flow, caller)).toMatchObject({
      value: { typed: { firstName: '<b>x</b>' }, notice: { field: 'email' } },
    })
  })
})

describe('an attempt', () => {
  it('of_another_browser_is_of_no_use', async () => {
    const { flow } = await begin()
    const other = await begin()
    expect(await signin.expect(flow, other.caller)).toMatchObject({
      ok: false,
      refusal: { code: 'flow_foreign_browser' },
    })
    expect(refusal(await signin.password(flow, { email: email(), password: PASSWORD }, other.caller))).toBe(
      'flow_foreign_browser',
    )
    expect(await signin.expect(flow, testCaller())).toMatchObject({
      ok: false,
      refusal: { code: 'cookies_blocked' },
    })
  })

  it('ends by the clock, whatever Redis still holds', async () => {
    const { flow, caller } = await begin()
    setClock(() => Date.now() + 3_601_000)
    expect(await signin.expect(flow, caller)).toMatchObject({ ok: false, refusal: { code: 'flow_expired' } })
    expect(refusal(await signin.password(flow, { email: email(), password: PASSWORD }, caller))).toBe(
      'flow_expired',
    )
  })

  it('is_not_a_session_at_any_step', async () => {
    const ada = await person({ verified: false })
    const { flow, caller } = await begin()
    await signin.password(flow, { email: ada.address, password: PASSWORD }, caller)
    expect(await sessions.check(caller.cookies)).toBeNull()
    for (const post of [
      () => signin.complete(flow, caller),
      () => signin.verify(flow, { code: '' }, caller),
    ]) {
      const result = await post()
      expect(result.ok && 'facts' in result.value).toBe(false)
    }
    expect(await sessions.list(ada.id)).toHaveLength(0)
  })

  it('steps_cannot_be_skipped_by_empty_or_later_posts', async () => {
    const { flow, caller } = await begin()
    expect(refusal(await signin.complete(flow, caller))).toBe('flow_expired')
    expect(refusal(await signin.verify(flow, { code: '123456' }, caller))).toBe('flow_expired')
    expect(refusal(await signin.resend(flow, caller))).toBe('flow_expired')
    expect(refusal(await signin.password(flow, { email: '', password: '' }, caller))).toBe('invalid_email')
  })

  it('returns only to a path of ours', () => {
    for (const path of [
      '//evil.example',
      '/\\evil.example',
      'https:evil.example',
      'https://evil.example',
      '/\t/evil.example',
      '/%09/evil',
      'javascript:alert(1)',
      '@evil',
      '.evil.example',
      '',
      '/a\r\nSet-Cookie: x',
      '/x/..//evil.example',
    ]) {
      const safe = signin.safePath(path)
      expect(new URL(safe, 'http://localhost:3000').origin, path).toBe('http://localhost:3000')
      expect(safe.startsWith('//'), path).toBe(false)
    }
    expect(signin.safePath('/account/devices?x=1#y')).toBe('/account/devices?x=1#y')
  })

  it('a link from a mail knows where it was opened, and opening it changes nothing', async () => {
    const address = email()
    const { flow, caller } = await begin()
    await signin.signUp(flow, { email: address, password: PASSWORD, firstName: 'Ada' }, caller)
    const code = await codeFor(address)
    for (let i = 0; i < 8; i++) expect(await signin.whereOpened(flow, testCaller())).toBe('elsewhere')
    expect(await signin.whereOpened(flow, caller)).toBe('here')
    expect(await signin.whereOpened('x'.repeat(22), caller)).toBe('over')
    expect(done(await signin.verify(flow, { code }, caller)).step).toBe('done')
    expect(await signin.whereOpened(flow, caller)).toBe('over')
  })
})

describe('signing in with a code by mail', () => {
  const ask = async (address: string, from: Partial<Caller> = {}) => {
    const begun = await begin(from)
    const result = await signin.emailCode(begun.flow, { email: address }, begun.caller)
    return { ...begun, result }
  }

  it('signs the owner of the address in, by that proof', async () => {
    const ada = await person()
    const { flow, caller, result } = await ask(ada.address)
    expect(result).toMatchObject({ ok: true, value: { step: 'verify_email' } })
    const { facts } = done(await signin.verify(flow, { code: await codeFor(ada.address) }, caller))
    expect(facts).toMatchObject({ userId: ada.id, method: 'email_code', amr: ['email'], acr: 'aal1' })
  })

  it('an unknown address walks the same way and becomes an account once it is proven', async () => {
    const [ada, address] = [await person(), email()]
    const known = await ask(ada.address)
    const unknown = await ask(address)
    expect(known.result).toEqual(unknown.result)
    const views = [
      await signin.expect(known.flow, known.caller),
      await signin.expect(unknown.flow, unknown.caller),
    ]
    const shape = (v: (typeof views)[number] | undefined) =>
      v?.ok && Object.keys(v.value.verification ?? {}).sort()
    expect(shape(views[0])).toEqual(shape(views[1]))

    expect(await signin.details(unknown.flow, { firstName: 'Eve' }, unknown.caller)).toMatchObject({
      ok: false,
    })
    expect(await signin.verify(unknown.flow, { code: await codeFor(address) }, unknown.caller)).toMatchObject(
      {
        ok: true,
        value: { step: 'details' },
      },
    )
    expect((await stores.sql('SELECT 1 FROM emails WHERE address = $1', [address])).rows).toHaveLength(0)
    const { facts } = done(await signin.details(unknown.flow, { firstName: 'Grace' }, unknown.caller))
    expect(await users.get(facts.userId)).toMatchObject({
      email: address,
      emailVerified: true,
      name: 'Grace',
    })
  })

  it('disabled_user_gets_no_session_by_mail_either', async () => {
    const ada = await person()
    await users.disable(ada.id, { reason: 'left', actor: 'operator' })
    const { flow, caller } = await ask(ada.address)
    expect(refusal(await signin.verify(flow, { code: await codeFor(ada.address) }, caller))).toBe(
      'account_disabled',
    )
    expect(await sessions.list(ada.id)).toHaveLength(0)
  })

  it('user_disabled_between_code_and_proof_gets_no_session', async () => {
    const ada = await person()
    const { flow, caller } = await ask(ada.address)
    const code = await codeFor(ada.address)
    await users.disable(ada.id, { reason: 'left', actor: 'operator' })
    expect(refusal(await signin.verify(flow, { code }, caller))).toBe('account_disabled')
  })

  it('sign_in_code_is_of_no_use_in_another_attempt_or_browser', async () => {
    const ada = await person()
    const mine = await ask(ada.address)
    const code = await codeFor(ada.address)
    const attacker = await begin()
    await signin.emailCode(attacker.flow, { email: email() }, attacker.caller)
    expect(refusal(await signin.verify(attacker.flow, { code }, attacker.caller))).toBe('code_wrong')
    expect(refusal(await signin.verify(mine.flow, { code }, attacker.caller))).toBe('flow_foreign_browser')
  })

  it('sign_in_code_does_not_verify_an_address_and_the_other_way_round', async () => {
    const ada = await person()
    const { flow } = await ask(ada.address)
    const code = await codeFor(ada.address)
    const crossed = await factors.otp.verify({
      purpose: 'email_verification',
      key: ada.id,
      to: ada.address,
      binding: flow,
      code,
    })
    expect(crossed.ok).toBe(false)
  })

  it('guesses_across_attempts_share_one_budget', async () => {
    const ada = await person()
    const seen: (string | undefined)[] = []
    for (let round = 0; round < 3; round++) {
      setClock(() => Date.now() + round * 60_000)
      const { flow, caller } = await ask(ada.address)
      for (let i = 0; i < 5; i++) seen.push(refusal(await signin.verify(flow, { code: `00000${i}` }, caller)))
    }
    expect(
      seen.filter((code) => code === 'code_wrong' || code === 'code_exhausted').length,
    ).toBeLessThanOrEqual(10)
    expect(seen.slice(10).every((code) => code === 'rate_limited')).toBe(true)
    await stores.redis().flushdb() // the clock goes back now
  })

  it('strangers_guesses_and_requests_keep_nobody_from_a_code_in_a_browser_they_have_used', async () => {
    const ada = await person()
    const home = await begin()
    const owner = jar(
      done(await signin.password(home.flow, { email: ada.address, password: PASSWORD }, home.caller))
        .setCookies,
      home.caller.cookies,
    )
    const start = Date.now()
    for (let n = 0; n < 40; n++) {
      setClock(() => start + n * 15 * 60_000)
      const ip = `192.0.2.${n}`
      const { flow, caller } = await begin({ ip, ipPrefix: ip })
      await signin.emailCode(flow, { email: ada.address }, caller)
      for (let i = 0; i < 5; i++) await signin.verify(flow, { code: `00000${i}` }, caller)
    }
    const stranger = await begin({ ip: '192.0.2.99', ipPrefix: '192.0.2.99' })
    await signin.emailCode(stranger.flow, { email: ada.address }, stranger.caller)
    expect(refusal(await signin.verify(stranger.flow, { code: '000009' }, stranger.caller))).toBe(
      'rate_limited',
    )
    const back = await begin({ cookies: owner })
    expect(refusal(await signin.emailCode(back.flow, { email: ada.address }, back.caller))).toBeUndefined()
    const code = await codeFor(ada.address)
    expect(done(await signin.verify(back.flow, { code }, back.caller)).facts.userId).toBe(ada.id)
    await stores.redis().flushdb() // the clock goes back now
  })

  it('opens_the_password_again_that_strangers_guesses_closed', async () => {
    const ada = await person()
    for (let i = 0; i < 11; i++) {
      const { flow, caller } = await begin()
      await signin.password(flow, { email: ada.address, password: `wrong ${i} wrong` }, caller)
    }
    const { flow, caller } = await ask(ada.address)
    done(await signin.verify(flow, { code: await codeFor(ada.address) }, caller))
    const later = await begin()
    expect(
      done(await signin.password(later.flow, { email: ada.address, password: PASSWORD }, later.caller)).step,
    ).toBe('done')
  })

  it('a waiting account is made active by the code that signs it in', async () => {
    const ada = await person({ verified: false })
    const { flow, caller } = await ask(ada.address)
    expect(done(await signin.verify(flow, { code: await codeFor(ada.address) }, caller)).facts.userId).toBe(
      ada.id,
    )
    expect(await users.get(ada.id)).toMatchObject({ status: 'active', emailVerified: true })
  })

  it('two_posts_of_one_code_at_once_open_one_session', async () => {
    const ada = await person()
    const { flow, caller } = await ask(ada.address)
    const code = await codeFor(ada.address)
    const results = await Promise.all([1, 2, 3].map(() => signin.verify(flow, { code }, caller)))
    expect(results.filter((r) => r.ok && r.value.step === 'done')).toHaveLength(1)
    expect(await sessions.list(ada.id)).toHaveLength(1)
  })
})

describe('signing in with a code by text message', () => {
  const NUMBER = '+4915112345678'

  async function phoneOwner(number: string) {
    const ada = await person()
    await stores.sql(
      'INSERT INTO phones (user_id, number, is_primary, verified_at) VALUES ($1, $2, true, now())',
      [ada.id, number],
    )
    return ada
  }

  const ask = async (phone: string, country?: string) => {
    const begun = await begin()
    return { ...begun, result: await signin.phoneCode(begun.flow, { phone, country }, begun.caller) }
  }

  it('signs in whoever proved the number, however it is written', async () => {
    const ada = await phoneOwner(NUMBER)
    const { flow, caller } = await ask('0151 12345678', 'DE')
    const { facts } = done(await signin.verify(flow, { code: await codeFor(NUMBER) }, caller))
    expect(facts).toMatchObject({ userId: ada.id, method: 'sms_code', amr: ['sms'], acr: 'aal1' })
  })

  it('number_of_nobody_walks_the_same_way_and_gets_no_message', async () => {
    const [stranger, other] = ['+4915112345670', '+4915112345671']
    await phoneOwner(other)
    const known = await ask(other)
    const unknown = await ask(stranger)
    expect(known.result).toEqual(unknown.result)
    await audit.drain()
    expect(await notify.mailbox.list({ to: stranger })).toHaveLength(0)
    expect(refusal(await signin.verify(unknown.flow, { code: '123456' }, unknown.caller))).toBe('code_wrong')
  })

  it('number_that_is_only_claimed_signs_nobody_in', async () => {
    const ada = await person()
    await stores.sql('INSERT INTO phones (user_id, number) VALUES ($1, $2)', [ada.id, '+4915112345672'])
    await ask('+4915112345672')
    await audit.drain()
    expect(await notify.mailbox.list({ to: '+4915112345672' })).toHaveLength(0)
  })

  it('what is no mobile number is refused beside the field', async () => {
    const { result } = await ask('12', 'DE')
    expect(result).toMatchObject({ value: { refusal: { code: 'invalid_phone', field: 'phone' } } })
  })
})

describe('a browser the account never used', () => {
  const signInFrom = async (ada: { address: string }, cookies: Record<string, string> = {}) => {
    const { flow, caller } = await begin({ cookies })
    return jar(
      done(await signin.password(flow, { email: ada.address, password: PASSWORD }, caller)).setCookies,
      caller.cookies,
    )
  }
  const notices = async (address: string) => {
    await audit.drain()
    return (await notify.mailbox.list({ to: address })).filter((mail) =>
      mail.links.some((link) => link.includes('/lockdown')),
    )
  }

  it('is told by mail with the way to lock the account; the first and a known one are not', async () => {
    const ada = await person()
    const home = await signInFrom(ada)
    await signInFrom(ada, home)
    expect(await notices(ada.address)).toHaveLength(0)
    await signInFrom(ada)
    expect(await notices(ada.address)).toHaveLength(1)
  })
})
