/** Guests: going on without an account, becoming a person in place, and the end of those who are gone. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { nowMs, setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import * as factors from '../factors'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import { Authenticator } from '../testing/authenticator'
import * as users from '../users'
import * as signin from './index'
import {
  answerOf,
  type Browser,
  begin,
  done,
  jar,
  must,
  PASSWORD,
  person,
  refusal,
  sentTo,
  somewhere,
  stepOf,
} from './people.fixture'
import { atAcme, by, somebodyThere, usePeers } from './provider.fixture'

const stores = useStores({
  GUESTS: 'on',
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  LIMIT_GUESTS_PER_IP_DAY: '3',
})
const { peers } = usePeers()
const DAY = 86_400_000

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => setClock(null))

/** Settings for one test. */
async function set<T>(settings: Record<string, string>, run: () => Promise<T>): Promise<T> {
  const before = Object.fromEntries(Object.keys(settings).map((name) => [name, process.env[name]]))
  Object.assign(process.env, settings)
  reloadEnv()
  try {
    return await run()
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    reloadEnv()
  }
}

const email = () => `ada.${uuid().slice(0, 8)}@example.com`

/** A browser that went on as a guest, with its cookies. */
async function guest(): Promise<{ id: string; cookies: Record<string, string>; sid: string }> {
  const { flow, caller } = await begin({}, { mayGuest: true })
  const { facts, setCookies } = done(await signin.asGuest(flow, caller))
  return { id: facts.userId, sid: facts.sid, cookies: jar(setCookies, caller.cookies) }
}

/** The guest's browser, on the page that makes an account. */
const upgrading = (cookies: Record<string, string>) => begin(cookies, { reauth: true })

async function fillIn({ flow, caller }: Browser, address: string) {
  const asked = await signin.signUp(flow, { email: address, password: PASSWORD, firstName: 'Ada' }, caller)
  expect(stepOf(asked)).toBe('verify_email')
}

const typeCode = async ({ flow, caller }: Browser, address: string) =>
  signin.verify(flow, { code: await sentTo(address) }, caller)

async function row(id: string) {
  const { rows } = await stores.sql(
    `SELECT u.is_anonymous, u.status, u.default_role,
       (SELECT array_agg(r.role_name) FROM user_roles r WHERE r.user_id = u.id) AS roles,
       (SELECT array_agg(e.address::text) FROM emails e WHERE e.user_id = u.id AND e.verified_at IS NOT NULL) AS emails
     FROM users u WHERE u.id = $1`,
    [id],
  )
  return rows[0]
}

const typesOf = async (userId: string): Promise<string[]> =>
  (await stores.sql('SELECT type FROM events WHERE user_id = $1 ORDER BY id', [userId])).rows.map(
    ({ type }) => type,
  )

const GUEST = {
  is_anonymous: true,
  status: 'active',
  default_role: 'anonymous',
  roles: ['anonymous'],
  emails: null,
}
const PERSON = { is_anonymous: false, status: 'active', default_role: 'user', roles: ['user'] }

describe('going on as a guest', () => {
  it('is a session of somebody who has proven nothing', async () => {
    const { id, cookies } = await guest()
    const facts = await sessions.check(cookies)
    expect(facts).toMatchObject({
      userId: id,
      guest: true,
      method: 'guest',
      amr: [],
      acr: '0',
      roles: ['anonymous'],
    })
    expect(facts && sessions.isFresh(facts)).toBe(false)
    expect(await row(id)).toEqual(GUEST)
    expect(await typesOf(id)).toEqual(['user.registered', 'session.opened'])
  })

  it.each([
    ['the_operator_takes_none', { GUESTS: 'off' }, { mayGuest: true }],
    ['the_app_takes_none', {}, {}],
    ['the_app_asks_for_a_level', {}, { mayGuest: true, level: 'aal2' as const }],
  ])('is_refused_where_%s', async (_, settings, input) => {
    await set(settings, async () => {
      const { flow, caller } = await begin({}, input)
      expect(must(await signin.expect(flow, caller)).mayGuest).toBe(false)
      expect(refusal(await signin.asGuest(flow, caller))).toBe('method_off')
      expect(refusal(await signin.complete(flow, caller))).toBe('flow_expired')
    })
  })

  it('is_refused_to_who_is_a_guest_already_or_proves_again_who_they_are', async () => {
    const { cookies } = await guest()
    const again = await begin(cookies, { mayGuest: true })
    expect(refusal(await signin.asGuest(again.flow, again.caller))).toBe('method_off')
    const ada = await person()
    const first = await begin()
    const { setCookies } = done(
      await signin.password(first.flow, { email: ada.email, password: PASSWORD }, first.caller),
    )
    const reauth = await begin(jar(setCookies, first.caller.cookies), { mayGuest: true, reauth: true })
    expect(refusal(await signin.asGuest(reauth.flow, reauth.caller))).toBe('method_off')
  })

  it('six_posts_of_one_attempt_make_one_guest', async () => {
    const { flow, caller } = await begin({}, { mayGuest: true })
    const before = Number((await stores.sql('SELECT count(*) FROM users')).rows[0].count)
    // One of them begins the attempt anew while another one is about to end it.
    const results = await Promise.all(Array.from({ length: 6 }, () => signin.asGuest(flow, caller)))
    expect(results.filter((result) => stepOf(result) === 'done')).toHaveLength(1)
    expect(Number((await stores.sql('SELECT count(*) FROM users')).rows[0].count)).toBe(before + 1)
  })

  it('one_network_makes_no_guests_in_bulk', async () => {
    const { ip, ipPrefix } = somewhere()
    const post = async (from: Partial<Caller>) => {
      const { flow, caller } = await begin({}, { mayGuest: true })
      return signin.asGuest(flow, { ...caller, ...from })
    }
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => post({ ip, ipPrefix })))
    expect(answers.map(refusal).filter(Boolean)).toEqual(['rate_limited', 'rate_limited'])
    // The way in that costs something is still open there, and guests elsewhere are.
    expect(stepOf(await post({}))).toBe('done')
    setClock(() => Date.now() + DAY + 1000)
    expect(stepOf(await post({ ip, ipPrefix }))).toBe('done')
  })

  it('asks_for_no_factor_whatever_the_operator_asks_of_people', async () => {
    for (const [name, value] of [
      ['SECOND_FACTOR', 'required'],
      ['SIGN_IN_METHODS', 'passkey'],
    ] as const) {
      await set({ [name]: value }, async () => {
        expect((await row((await guest()).id))?.is_anonymous).toBe(true)
      })
    }
  })

  it('a_guest_who_was_disabled_and_enabled_again_may_come_back_as_one', async () => {
    const { id } = await guest()
    must(await users.disable(id, { actor: 'operator' }))
    must(await users.enable(id, { actor: 'operator' }))
    expect(await row(id)).toEqual(GUEST)
  })
})

describe('becoming a person', () => {
  const WAYS = {
    password: async (browser: Browser, address: string) => {
      await fillIn(browser, address)
      return done(await typeCode(browser, address))
    },
    'a code by mail': async (browser: Browser, address: string) => {
      const { flow, caller } = browser
      must(await signin.emailCode(flow, { email: address }, caller))
      expect(stepOf(await typeCode(browser, address))).toBe('details')
      return done(await signin.details(flow, { firstName: 'Ada' }, caller))
    },
    'another provider': async (browser: Browser, address: string) => {
      const there = somebodyThere({ email: address })
      expect(stepOf(await by(browser, peers(), 'acme', there))).toBe('details')
      return done(await signin.details(browser.flow, { firstName: 'Ada' }, browser.caller))
    },
    'another provider that vouches for no address': async (browser: Browser, address: string) => {
      const { flow, caller } = browser
      const there = somebodyThere({ email: address, email_verified: false })
      expect(stepOf(await by(browser, peers(), 'acme', there))).toBe('details')
      const input = { email: address, firstName: 'Ada' }
      expect(stepOf(await signin.details(flow, input, caller))).toBe('verify_email')
      return done(await typeCode(browser, address))
    },
    'a passkey': async (browser: Browser, address: string) => {
      const { flow, caller } = browser
      must(await signin.signUp(flow, { email: address, way: 'passkey', firstName: 'Ada' }, caller))
      expect(stepOf(await typeCode(browser, address))).toBe('enroll')
      const response = await answerOf(browser, new Authenticator('synced'))
      expect(stepOf(await signin.enroll(flow, { method: 'passkey', response }, caller))).toBe('backup_codes')
      return done(await signin.savedCodes(flow, caller))
    },
  }

  it.each(Object.entries(WAYS))('by %s keeps the id, and everything else begins', async (_, way) => {
    const { id, sid, cookies } = await guest()
    const address = email()
    const browser = await upgrading(cookies)
    expect(must(await signin.expect(browser.flow, browser.caller))).toMatchObject({
      step: 'identify',
      guest: true,
      reauth: null,
    })
    const { facts, setCookies } = await way(browser, address)
    expect(facts).toMatchObject({ userId: id, guest: false, roles: ['user'] })
    expect(facts.acr).not.toBe('0')
    expect(facts.sid).not.toBe(sid)
    expect(await sessions.check(jar(setCookies))).toMatchObject({ userId: id, guest: false })
    expect(await row(id)).toEqual({ ...PERSON, emails: [address] })
    expect(await users.get(id)).toMatchObject({ firstName: 'Ada', isAnonymous: false })
    expect(await typesOf(id)).toEqual(expect.arrayContaining(['user.upgraded', 'session.revoked']))
    expect((await users.find({ email: address }))?.id).toBe(id)
  })

  it('a_guest_session_given_to_a_victim_is_dead_after_the_upgrade', async () => {
    const attackers = await guest()
    // The same session in two browsers of the attacker's, and a sign-up of theirs that waits for its code.
    const theirAddress = email()
    const waiting = await upgrading({ ...attackers.cookies })
    await fillIn(waiting, theirAddress)
    // The victim's browser has the attacker's session cookie, and nothing else of theirs.
    const [name = ''] = Object.keys(attackers.cookies).filter((cookie) => cookie.endsWith('session'))
    const address = email()
    const victim = await upgrading({ [name]: attackers.cookies[name] ?? '' })
    await fillIn(victim, address)
    const { facts, setCookies } = done(await typeCode(victim, address))
    expect(facts.userId).toBe(attackers.id)

    expect(await sessions.check(attackers.cookies)).toBeNull()
    expect(await sessions.alive(attackers.sid)).toBeNull()
    expect(await sessions.list(attackers.id)).toHaveLength(1)
    expect(await sessions.devices(attackers.id)).toHaveLength(1)
    expect(await sessions.knownDevice(attackers.id, attackers.cookies)).toBeNull()
    // What the attacker had begun leads to nothing of the victim's.
    expect(refusal(await typeCode(waiting, theirAddress))).toBe('account_changed')
    expect((await users.emails.list(attackers.id)).map((one) => one.address)).toEqual([address])
    expect(await sessions.check(jar(setCookies))).toMatchObject({ userId: attackers.id })
  })

  it('of_two_upgrades_at_once_one_wins', async () => {
    const { id, cookies } = await guest()
    const [a, b] = [await upgrading(cookies), await upgrading(cookies)]
    const [one, two] = [email(), email()]
    await fillIn(a, one)
    await fillIn(b, two)
    const codes = [await sentTo(one), await sentTo(two)]
    const results = await Promise.all([
      signin.verify(a.flow, { code: codes[0] ?? '' }, a.caller),
      signin.verify(b.flow, { code: codes[1] ?? '' }, b.caller),
    ])
    expect(results.map(stepOf).sort()).toEqual(['done', 'identify'])
    expect(results.map(refusal).filter(Boolean)).toEqual(['account_changed'])
    const won = stepOf(results[0] as (typeof results)[0]) === 'done' ? one : two
    expect(await row(id)).toEqual({ ...PERSON, emails: [won] })
    expect((await typesOf(id)).filter((type) => type === 'user.upgraded')).toHaveLength(1)
    // The loser is not shut out: what is begun anew makes an account of its own.
    const [loser, address] = won === one ? [b, two] : [a, one]
    await fillIn(loser, address)
    const { facts } = done(await typeCode(loser, address))
    expect(facts.userId).not.toBe(id)
    expect(facts.guest).toBe(false)
  })

  it('two_posts_of_one_form_make_one_person_who_is_signed_in', async () => {
    const { id, cookies } = await guest()
    const address = email()
    const browser = await upgrading(cookies)
    const { flow, caller } = browser
    must(await signin.emailCode(flow, { email: address }, caller))
    expect(stepOf(await typeCode(browser, address))).toBe('details')
    const results = await Promise.all([1, 2, 3].map(() => signin.details(flow, { firstName: 'Ada' }, caller)))
    expect(results.filter((result) => stepOf(result) === 'done')).toHaveLength(1)
    expect(await row(id)).toEqual({ ...PERSON, emails: [address] })
    expect(await sessions.list(id)).toHaveLength(1)
  })

  it('needs_the_guest_to_be_here_still', async () => {
    const { id, cookies } = await guest()
    const browser = await upgrading(cookies)
    const address = email()
    await fillIn(browser, address)
    await sessions.revoke({ userId: id, all: true }, { reason: 'operator', actor: 'operator' })
    expect(refusal(await typeCode(browser, address))).toBe('account_changed')
    expect(await row(id)).toEqual(GUEST)
    expect(await users.find({ email: address })).toBeNull()
  })

  it('with_an_address_that_is_somebodys_walks_alike_and_joins_nothing', async () => {
    const ada = await person()
    const [taken, free] = [await guest(), await guest()]
    const [known, unknown] = [await upgrading(taken.cookies), await upgrading(free.cookies)]
    const asked = [known, unknown].map(async (browser, index) => {
      const address = index === 0 ? ada.email : email()
      const { flow, caller } = browser
      return signin.signUp(flow, { email: address, password: PASSWORD, firstName: 'Ada' }, caller)
    })
    const [a, b] = await Promise.all(asked)
    expect(a).toEqual(b)
    const strip = async (browser: Browser) => {
      const view = must(await signin.expect(browser.flow, browser.caller))
      const { to: _, resendAt: _resend, expiresAt: _expires, ...verification } = view.verification ?? {}
      return { ...view, flow: '', typed: {}, verification }
    }
    expect(await strip(known)).toEqual(await strip(unknown))
    await audit.drain()
    for (const code of ['000000', '111111'])
      expect(refusal(await signin.verify(known.flow, { code }, known.caller))).toBe('code_wrong')
    expect(await row(taken.id)).toEqual(GUEST)
    expect(await row(ada.id)).toMatchObject({ is_anonymous: false, emails: [ada.email] })
  })

  it('signing_in_to_an_account_that_exists_ends_the_guest_and_takes_nothing_along', async () => {
    const ada = await person()
    const { id, cookies, sid } = await guest()
    const { flow, caller } = await upgrading(cookies)
    const { facts } = done(await signin.password(flow, { email: ada.email, password: PASSWORD }, caller))
    expect(facts.userId).toBe(ada.id)
    expect(await sessions.alive(sid)).toBeNull()
    expect(await row(id)).toEqual(GUEST)
  })

  it('by_an_account_elsewhere_that_is_somebodys_is_a_sign_in_as_them', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    const { id, cookies, sid } = await guest()
    const { facts } = done(await by(await upgrading(cookies), peers(), 'acme', ada.linked?.person))
    expect(facts.userId).toBe(ada.id)
    expect(await sessions.alive(sid)).toBeNull()
    expect(await row(id)).toEqual(GUEST)
  })

  it('a_proof_of_a_guest_is_none_of_the_person_they_became', async () => {
    const { id } = await guest()
    const hash = must(await factors.password.hash(PASSWORD))
    await inTx(async (tx) => {
      must(await users.upgradeGuest(tx, id, { email: email(), verified: true, locale: 'en' }))
      await factors.password.set(tx, id, hash)
    })
    const person = await users.get(id)
    expect(person?.isAnonymous).toBe(false)
    const proofs = [{ method: 'guest', amr: [], at: nowMs() }]
    const facts = {
      proofs,
      codeSent: false,
      signingUp: false,
      status: 'active' as const,
      person: {
        enrolled: await factors.enrolled(id),
        roles: person?.roles ?? [],
        passwordByMail: false,
        reach: { email: null, phone: null },
        trusted: false,
        guest: false,
      },
      wants: {
        level: null,
        essential: false,
        reauth: false,
        passkey: null,
        postponed: false,
        codesToSave: false,
      },
    }
    const policy = { secondFactor: {} as never, signInMethods: ['password'] as const, at: nowMs() }
    expect(signin.nextStep(facts, policy)).toBe('identify')
    expect(signin.nextStep({ ...facts, person: { ...facts.person, guest: true } }, policy)).toBe('done')
  })

  it('nobody_but_a_guest_is_upgraded_and_never_without_a_proven_address', async () => {
    const ada = await person()
    const { id } = await guest()
    const upgrade = (userId: string, verified: boolean, address = email()) =>
      inTx((tx) => users.upgradeGuest(tx, userId, { email: address, verified, locale: 'en' }))
    expect(await upgrade(ada.id, true)).toMatchObject({ refusal: { code: 'account_changed' } })
    expect(await upgrade(id, false)).toMatchObject({ refusal: { code: 'account_changed' } })
    expect(await upgrade(id, true, ada.email)).toMatchObject({ refusal: { code: 'email_taken' } })
    expect(await row(id)).toEqual(GUEST)
  })
})

describe('the clean-up', () => {
  it('deletes_guests_who_are_idle_and_signed_in_nowhere_and_keeps_their_events', async () => {
    const [gone, kept, became] = [await guest(), await guest(), await guest()]
    await inTx((tx) => users.upgradeGuest(tx, became.id, { email: email(), verified: true, locale: 'en' }))
    await sessions.revoke({ userId: gone.id, sid: gone.sid }, { reason: 'user' })
    const ada = await person()
    expect(await signin.sweepGuests()).toBe(0)
    // A session may be longer than guests are kept: whoever is signed in stays.
    await stores.sql(
      `UPDATE sessions SET expires_at = now() + interval '90 days', idle_seconds = 9000000 WHERE id = $1`,
      [kept.sid],
    )
    setClock(() => Date.now() + 31 * DAY)
    expect(await signin.sweepGuests()).toBeGreaterThanOrEqual(1)
    expect(await users.get(gone.id)).toBeNull()
    expect(await users.get(kept.id)).toMatchObject({ isAnonymous: true })
    expect(await users.get(became.id)).toMatchObject({ isAnonymous: false })
    expect(await users.get(ada.id)).not.toBeNull()
    expect(await typesOf(gone.id)).toEqual([
      'user.registered',
      'session.opened',
      'session.revoked',
      'user.deleted',
    ])
    expect(await signin.sweepGuests()).toBe(0)
  })

  it('a_guest_active_lately_in_a_session_that_is_over_is_not_idle', async () => {
    const { id, sid } = await guest()
    await stores.sql(`UPDATE users SET last_seen_at = now() - interval '40 days' WHERE id = $1`, [id])
    await stores.sql(
      `UPDATE sessions SET created_at = now() - interval '40 days', auth_at = now() - interval '40 days',
         last_active_at = now() - interval '2 days', expires_at = now() - interval '1 day' WHERE id = $1`,
      [sid],
    )
    await signin.sweepGuests()
    expect(await users.get(id)).not.toBeNull()
    setClock(() => Date.now() + 29 * DAY)
    await signin.sweepGuests()
    expect(await users.get(id)).toBeNull()
  })
})
