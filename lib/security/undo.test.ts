import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import * as factors from '../factors'
import * as oidc from '../oidc'
import * as recovery from '../recovery'
import * as sessions from '../sessions'
import * as signin from '../signin'
import { useStores } from '../testing'
import * as users from '../users'
import * as security from './index'
import {
  address,
  addressesOf,
  mails,
  must,
  newest,
  PASSWORD,
  person,
  primaryOf,
  proven,
  refusal,
  signIn,
  somewhere,
  tokenFor,
} from './people.fixture'

const stores = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => setClock(null))

const HOURS = 3_600_000
const nobody = somewhere()
let moved = 0
const later = (ms: number) => {
  moved = ms
  const at = Date.now()
  setClock(() => at + moved)
}
const typesOf = async (userId: string) =>
  (await audit.list(userId, { limit: 100 })).items.map(({ type }) => type)

/** Somebody whose primary was just changed to a new address. */
async function changed() {
  const ada = await person()
  const second = await proven(ada)
  must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
  return { ada, second, token: await tokenFor(ada.email, 'undo') }
}

describe('taking a change of the primary back', () => {
  test('restores the old one, removes what came with the change, ends every session, tells', async () => {
    const { ada, second, token } = await changed()
    expect(await security.emailChange.peek(token)).toEqual({
      from: ada.email,
      to: second.email,
      addresses: [second.email],
      numbers: [],
      factors: [],
    })
    const elsewhere = await signIn(ada.id)
    expect(must(await security.emailChange.undo(token, somewhere()))).toEqual({ address: ada.email })
    expect(await primaryOf(ada.id)).toBe(ada.email)
    expect(await addressesOf(ada.id)).toEqual([ada.email])
    expect(await sessions.alive(ada.who.sid)).toBeNull()
    expect(await sessions.alive(elsewhere.sid)).toBeNull()
    expect((await newest(ada.email)).subject).toContain('taken back')
    expect(await typesOf(ada.id)).toContain('email.change_undone')
  })

  test('looking at the page any number of times uses nothing up', async () => {
    const { token, ada } = await changed()
    for (let n = 0; n < 5; n++) expect(await security.emailChange.peek(token)).not.toBeNull()
    must(await security.emailChange.undo(token, ada.caller))
    expect(await security.emailChange.peek(token)).toBeNull()
  })

  test('an address that was theirs long before stays', async () => {
    const ada = await person()
    const second = await proven(ada)
    later(80 * HOURS)
    ada.who = await signIn(ada.id, ada.caller)
    must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
    must(await security.emailChange.undo(await tokenFor(ada.email, 'undo'), ada.caller))
    expect(await addressesOf(ada.id)).toEqual([ada.email, second.email])
    expect(await primaryOf(ada.id)).toBe(ada.email)
  })

  test('ends after 72 hours', async () => {
    const { token, ada } = await changed()
    later(72 * HOURS + 1000)
    expect(await security.emailChange.peek(token)).toBeNull()
    expect(refusal(await security.emailChange.undo(token, ada.caller))).toBe('link_over')
  })

  test('two_posts_of_one_undo_link_at_once_one_wins', async () => {
    const { ada, token } = await changed()
    const results = await Promise.all(
      Array.from({ length: 6 }, () => security.emailChange.undo(token, somewhere())),
    )
    expect(results.filter((r) => r.ok)).toHaveLength(1)
    expect((await typesOf(ada.id)).filter((type) => type === 'email.change_undone')).toHaveLength(1)
  })

  test('undo_after_a_second_change_and_the_removal_of_the_old_address', async () => {
    const { ada, second, token } = await changed()
    later(31_000)
    const third = await proven(ada, address('third'))
    must(await security.emails.makePrimary(ada.who, third.id, ada.caller))
    const undoSecond = await tokenFor(second.email, 'undo')
    const [first] = (await users.emails.list(ada.id)).filter((one) => one.address === ada.email)
    must(await security.emails.remove(ada.who, first?.id ?? '', ada.caller))
    expect(await addressesOf(ada.id)).not.toContain(ada.email)

    must(await security.emailChange.undo(token, somewhere()))
    expect(await addressesOf(ada.id)).toEqual([ada.email])
    // Whoever was primary in between cannot undo the undo.
    expect(refusal(await security.emailChange.undo(undoSecond, somewhere()))).toBe('link_over')
    expect(await primaryOf(ada.id)).toBe(ada.email)
  })

  test('later_change_cannot_be_taken_back_once_an_earlier_one_was, also by an address of long ago', async () => {
    const ada = await person()
    const second = await proven(ada)
    later(80 * HOURS)
    ada.who = await signIn(ada.id, ada.caller)
    must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
    const first = await tokenFor(ada.email, 'undo')
    later(80 * HOURS + 61_000)
    const third = await proven(ada, address('third'))
    must(await security.emails.makePrimary(ada.who, third.id, ada.caller))
    const afterwards = await tokenFor(second.email, 'undo')
    must(await security.emailChange.undo(first, somewhere()))
    expect(refusal(await security.emailChange.undo(afterwards, somewhere()))).toBe('link_over')
    expect(await primaryOf(ada.id)).toBe(ada.email)
  })

  test('undo_race_with_another_change: the old address ends up primary, whoever is first', async () => {
    const { ada, second, token } = await changed()
    later(31_000)
    const third = await proven(ada, address('third'))
    await Promise.all([
      security.emailChange.undo(token, somewhere()),
      security.emails.makePrimary(ada.who, third.id, ada.caller),
    ])
    expect(await primaryOf(ada.id)).toBe(ada.email)
    expect(await addressesOf(ada.id)).not.toContain(second.email)
  })

  test('links_to_a_new_password_and_to_lock_that_went_to_the_removed_address_are_dead', async () => {
    const { ada, second, token } = await changed()
    const lock = await tokenFor(second.email, 'lockdown')
    const reset = await inTx((tx) =>
      factors.links.issue(tx, { purpose: 'password_reset', userId: ada.id, lifeSeconds: 1800 }),
    )
    must(await security.emailChange.undo(token, somewhere()))
    expect(await factors.links.peek('password_reset', reset)).toBeNull()
    expect(refusal(await security.lockdown.lockDown(lock, somewhere()))).toBe('link_over')
  })

  test('is refused while the old address belongs to somebody else, and the link stays good', async () => {
    const { ada, second, token } = await changed()
    const [first] = (await users.emails.list(ada.id)).filter((one) => one.address === ada.email)
    must(await security.emails.remove(ada.who, first?.id ?? '', ada.caller))
    const other = await person(ada.email)
    expect(refusal(await security.emailChange.undo(token, somewhere()))).toBe('email_taken')
    expect(await primaryOf(ada.id)).toBe(second.email)
    expect(await primaryOf(other.id)).toBe(ada.email)
    expect(await sessions.alive(ada.who.sid)).not.toBeNull()
    expect(await security.emailChange.peek(token)).not.toBeNull()
  })
})

describe('locking the account down', () => {
  /** A sign-in with a password, as its answer looks from outside. */
  async function tryPassword(email: string, password: string) {
    const caller = somewhere()
    const begun = must(await signin.begin({ returnTo: '/account', caller }))
    const cookies = Object.fromEntries(
      begun.setCookies.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string]),
    )
    const result = await signin.password(begun.flow, { email, password }, { ...caller, cookies })
    return JSON.parse(JSON.stringify(result).replaceAll(begun.flow, 'FLOW')) as unknown
  }

  async function consent(userId: string): Promise<void> {
    const { clientId } = must(
      await oidc.clients.add({ name: 'App', redirectUris: ['http://localhost:9/cb'] }),
    )
    await stores.sql(
      `INSERT INTO grants (id, user_id, client_id, payload) VALUES ($1, $2, $3, '{"scopes":["openid"],"claims":[]}')`,
      [`grant-${userId.slice(0, 8)}`, userId, clientId],
    )
  }

  test('ends sessions and consents, blocks the password, voids resets, keeps the record, tells', async () => {
    const ada = await person()
    await consent(ada.id)
    expect(await oidc.grants.list(ada.id)).toHaveLength(1)
    const second = await proven(ada)
    const token = await tokenFor(ada.email, 'lockdown')
    const before = await typesOf(ada.id)
    const reset = await inTx((tx) =>
      factors.links.issue(tx, { purpose: 'password_reset', userId: ada.id, lifeSeconds: 1800 }),
    )
    expect(await security.lockdown.peek(token)).toEqual({
      addresses: [second.email],
      numbers: [],
      factors: [],
    })
    must(await security.lockdown.lockDown(token, somewhere()))

    expect(await sessions.alive(ada.who.sid)).toBeNull()
    expect(await oidc.grants.list(ada.id)).toEqual([])
    expect(await factors.links.peek('password_reset', reset)).toBeNull()
    expect((await users.get(ada.id))?.lockedDownAt).toBeInstanceOf(Date)
    // What the notice was about is gone: its reader could have come back by mail.
    expect(await addressesOf(ada.id)).toEqual([ada.email])
    const after = await typesOf(ada.id)
    expect(after).toEqual(expect.arrayContaining(before))
    expect(after).toEqual(expect.arrayContaining(['user.locked_down', 'session.revoked', 'grant.revoked']))
    const notice = await newest(ada.email)
    expect(notice.subject).toContain('locked')
    expect(notice.links).toEqual([])
  })

  test('the_right_password_of_a_locked_account_looks_like_a_wrong_one', async () => {
    const ada = await person()
    await proven(ada)
    must(await security.lockdown.lockDown(await tokenFor(ada.email, 'lockdown'), somewhere()))
    const right = await tryPassword(ada.email, PASSWORD)
    expect(right).toEqual(await tryPassword(ada.email, 'not the password at all'))
    expect(right).toEqual(await tryPassword(address('nobody'), PASSWORD))
    await inTx((tx) => users.unlock(tx, ada.id))
    expect(await tryPassword(ada.email, PASSWORD)).toMatchObject({ ok: true, value: { step: 'done' } })
  })

  test('lockdown_link_replay_and_two_at_once', async () => {
    const ada = await person()
    await proven(ada)
    const token = await tokenFor(ada.email, 'lockdown')
    const results = await Promise.all(
      Array.from({ length: 5 }, () => security.lockdown.lockDown(token, somewhere())),
    )
    expect(results.filter((r) => r.ok)).toHaveLength(1)
    await inTx((tx) => users.unlock(tx, ada.id))
    const who = await signIn(ada.id)
    expect(refusal(await security.lockdown.lockDown(token, somewhere()))).toBe('link_over')
    expect(await sessions.alive(who.sid)).not.toBeNull()
  })

  test('every lockdown link of the time before is void, those that take an address back are not', async () => {
    const { ada, token: undo } = await changed()
    const locks = await mails(ada.email)
    const tokens = await Promise.all(locks.map((mail) => tokenFor(ada.email, 'lockdown', mail)))
    const [first, second] = tokens.filter(Boolean)
    must(await security.lockdown.lockDown(first ?? '', somewhere()))
    expect(refusal(await security.lockdown.lockDown(second ?? '', somewhere()))).toBe('link_over')
    must(await security.emailChange.undo(undo, somewhere()))
    expect(await primaryOf(ada.id)).toBe(ada.email)
    expect((await users.get(ada.id))?.lockedDownAt).not.toBeNull()
  })

  test('of a change of the primary takes the new one away, and never the only way back', async () => {
    const { ada, second } = await changed()
    must(await security.lockdown.lockDown(await tokenFor(ada.email, 'lockdown'), somewhere()))
    expect(await primaryOf(ada.id)).toBe(ada.email)
    expect(await addressesOf(ada.id)).not.toContain(second.email)

    const eve = await changed()
    const [old] = (await users.emails.list(eve.ada.id)).filter((one) => one.address === eve.ada.email)
    const lock = await tokenFor(eve.ada.email, 'lockdown')
    must(await security.emails.remove(eve.ada.who, old?.id ?? '', eve.ada.caller))
    must(await security.lockdown.lockDown(lock, somewhere()))
    expect(await addressesOf(eve.ada.id)).toEqual([eve.second.email])
  })
})

describe('what an intruder brought', () => {
  let last = 10
  const phone = () => `+49151234567${last++}`

  /** Adds and proves a number in this person's browser. */
  async function numbered(someone: Awaited<ReturnType<typeof person>>): Promise<string> {
    const number = phone()
    const { id } = must(await security.phones.add(someone.who, { number }, someone.caller))
    const code = (await newest(number)).codes[0] ?? ''
    must(await security.phones.verify(someone.who, id, code, someone.caller))
    return number
  }
  const numbersOf = async (userId: string) => (await users.phones.list(userId)).map(({ number }) => number)

  /** A recovery that somebody asked for, and the link that finishes it. */
  async function recoveryOf(email: string): Promise<string> {
    const asked = must(await recovery.delayed.request({ email }, somewhere()))
    await audit.drain()
    return asked.token
  }
  const finish = (token: string) =>
    recovery.delayed.complete(
      { token, password: 'copper lantern meadow tide', removeFactors: false },
      somewhere(),
    )
  const ripen = (userId: string) =>
    stores.sql(`UPDATE recovery_requests SET ready_at = now() - interval '1 second' WHERE user_id = $1`, [
      userId,
    ])

  test('number_of_an_intruder_signs_nobody_in_after_the_undo_and_an_old_number_stays', async () => {
    const ada = await person()
    const old = await numbered(ada)
    later(80 * HOURS)
    ada.who = await signIn(ada.id, ada.caller)
    const brought = await numbered(ada)
    const second = await proven(ada)
    must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
    const undo = await tokenFor(ada.email, 'undo')
    expect((await security.emailChange.peek(undo))?.numbers).toEqual([users.readablePhone(brought)])
    must(await security.emailChange.undo(undo, somewhere()))
    expect(await numbersOf(ada.id)).toEqual([old])
    expect(await users.phones.ownerOf(brought)).toBeNull()
  })

  test('password_that_an_intruder_knows_takes_nobody_in_after_the_undo', async () => {
    const { ada, token } = await changed()
    must(await security.emailChange.undo(token, somewhere()))
    expect((await users.get(ada.id))?.lockedDownAt).not.toBeNull()
    // The old address chooses a new one, and that is the end of it.
    must(await recovery.forgot({ email: ada.email }, somewhere()))
    await audit.drain()
    const link = (await newest(ada.email)).links.find((url) => url.includes('/reset?')) ?? ''
    const reset = new URL(link).searchParams.get('token') ?? ''
    must(await recovery.reset({ token: reset, password: 'copper lantern meadow tide' }, somewhere()))
    expect((await users.get(ada.id))?.lockedDownAt).toBeNull()
  })

  /** An intruder's address becomes primary for a moment, so that it gets a link that takes the change back to the owner's. */
  async function prepared() {
    const ada = await person()
    later(80 * HOURS)
    ada.who = await signIn(ada.id, ada.caller)
    const theirs = await proven(ada)
    must(await security.emails.makePrimary(ada.who, theirs.id, ada.caller))
    const [own] = (await users.emails.list(ada.id)).filter((one) => one.address === ada.email)
    must(await security.emails.makePrimary(ada.who, own?.id ?? '', ada.caller))
    return { ada, theirs, own, foreign: await tokenFor(theirs.email, 'undo') }
  }

  test('undo_link_of_an_address_that_an_intruder_brought_is_dead_after_the_lockdown', async () => {
    const { ada, theirs, foreign } = await prepared()
    // The newest notice says that the owner's address was made primary, which is no reason to take it away.
    const lock = await tokenFor(ada.email, 'lockdown')
    expect((await security.lockdown.peek(lock))?.addresses).toEqual([theirs.email])
    must(await security.lockdown.lockDown(lock, somewhere()))
    expect(refusal(await security.emailChange.undo(foreign, somewhere()))).toBe('link_over')
    expect(await addressesOf(ada.id)).toEqual([ada.email])
  })

  test('lockdown_by_a_notice_that_names_the_owner_s_own_address_leaves_it_to_nobody_else', () => {
    const day = (n: number) => new Date(n * 24 * HOURS)
    const row = (name: string, n: number) => ({
      address: `${name}@x.org`,
      verifiedAt: day(n),
      createdAt: day(n),
    })
    const [own, patient] = [row('own', 1), row('patient', 90)]
    const { go, heir } = users.foreignAddresses([patient, own], { since: day(97), address: own.address })
    expect([go, heir]).toEqual([[], own])
    const named = users.foreignAddresses([patient, own], { since: day(97), address: patient.address })
    expect([named.go, named.heir]).toEqual([[patient], own])
    const number = (of: string, n: number) => ({ number: of, verifiedAt: day(n), createdAt: day(n) })
    const numbers = [number('+491511111111', 90), number('+491512222222', 1)]
    const foreign = (of: string) => users.foreignNumbers(numbers, { since: day(97), number: of })
    expect(foreign('+49 151 2222222')).toEqual([])
    expect(foreign('+49 151 1111111')).toEqual([numbers[0]])
  })

  test('undo_link_of_an_address_that_an_intruder_brought_is_dead_after_the_owner_took_a_later_change_back', async () => {
    const { ada, theirs, own, foreign } = await prepared()
    must(await security.emails.makePrimary(ada.who, theirs.id, ada.caller))
    const token = await tokenFor(ada.email, 'undo')
    must(await security.emails.remove(ada.who, own?.id ?? '', ada.caller))
    must(await security.emailChange.undo(token, somewhere()))
    expect(refusal(await security.emailChange.undo(foreign, somewhere()))).toBe('link_over')
    expect(await addressesOf(ada.id)).toEqual([ada.email])
  })

  test('undo_link_of_a_new_account_s_own_address_outlives_a_lockdown_though_an_intruder_removed_it', async () => {
    const { ada, second, token } = await changed()
    const lock = await tokenFor(ada.email, 'lockdown')
    const [own] = (await users.emails.list(ada.id)).filter((one) => one.address === ada.email)
    must(await security.emails.remove(ada.who, own?.id ?? '', ada.caller))
    must(await security.lockdown.lockDown(lock, somewhere()))
    expect(await addressesOf(ada.id)).toEqual([second.email])
    must(await security.emailChange.undo(token, somewhere()))
    expect(await addressesOf(ada.id)).toEqual([ada.email])
  })

  test('locking_by_any_notice_takes_every_address_and_number_brought_around_it', async () => {
    const ada = await person()
    later(80 * HOURS)
    ada.who = await signIn(ada.id, ada.caller)
    const first = await proven(ada)
    const lock = await tokenFor(ada.email, 'lockdown')
    const number = await numbered(ada)
    later(80 * HOURS + 31_000)
    const second = await proven(ada, address('third'))
    must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
    const goes = await security.lockdown.peek(lock)
    expect(goes?.addresses.sort()).toEqual([first.email, second.email].sort())
    expect(goes?.numbers).toEqual([users.readablePhone(number)])
    must(await security.lockdown.lockDown(lock, somewhere()))
    expect(await addressesOf(ada.id)).toEqual([ada.email])
    expect(await primaryOf(ada.id)).toBe(ada.email)
    expect(await numbersOf(ada.id)).toEqual([])
  })

  for (const way of ['undo', 'lockdown'] as const) {
    test(`recovery_that_an_intruder_asked_for_cannot_be_finished_after_the_${way}`, async () => {
      const { ada } = await changed()
      const token = await tokenFor(ada.email, way)
      const theirs = await recoveryOf(ada.email)
      await (way === 'undo'
        ? security.emailChange.undo(token, somewhere())
        : security.lockdown.lockDown(token, somewhere()))
      await ripen(ada.id)
      expect(refusal(await finish(theirs))).toBe('recovery_over')
      expect((await users.get(ada.id))?.lockedDownAt).not.toBeNull()
    })
  }

  /** A sign-in that has asked for a code, and the answer to typing it. */
  async function codeAsked(ask: (flow: string, caller: typeof nobody) => Promise<unknown>, to: string) {
    const caller = somewhere()
    const begun = must(await signin.begin({ returnTo: '/account', caller }))
    const cookies = Object.fromEntries(
      begun.setCookies.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string]),
    )
    const browser = { ...caller, cookies }
    await ask(begun.flow, browser)
    const code = (await newest(to)).codes[0] ?? ''
    return () => signin.verify(begun.flow, { code }, browser)
  }

  test('code_sent_to_an_address_or_number_that_left_the_account_since_signs_nobody_in', async () => {
    const { ada, second, token } = await changed()
    const number = await numbered(ada)
    later(61_000)
    const byMail = await codeAsked(
      (flow, at) => signin.emailCode(flow, { email: second.email }, at),
      second.email,
    )
    const byPhone = await codeAsked((flow, at) => signin.phoneCode(flow, { phone: number }, at), number)
    must(await security.emailChange.undo(token, somewhere()))
    for (const type of [byMail, byPhone]) {
      expect(await type()).toMatchObject({ ok: true, value: { refusal: { code: 'code_expired' } } })
    }
    expect(await sessions.list(ada.id)).toEqual([])
  })

  test('request_under_way_of_a_session_that_just_ended_changes_nothing_any_more', async () => {
    const ada = await person()
    const second = await proven(ada)
    const number = await numbered(ada)
    const [phone] = (await users.phones.list(ada.id)).filter((one) => one.number === number)
    // What the request remembers of the session is from before it ended.
    const { who, caller } = ada
    later(61_000)
    const third = must(await security.emails.add(who, address('third'), caller))
    const [asked] = (await users.emails.list(ada.id)).filter((one) => one.id === third.id)
    const byMail = (await newest(asked?.address ?? '')).codes[0] ?? ''
    const claimed = must(await security.phones.add(who, { number: '+4915112345699' }, caller))
    const byPhone = (await newest('+4915112345699')).codes[0] ?? ''
    await sessions.revoke({ userId: ada.id, sid: who.sid }, { reason: 'user' })
    const token = { name: 'a key to come back with', scopes: [], days: 30 }
    const tried = [
      security.tokens.make(who, token, caller),
      recovery.contacts.invite({ email: address('friend') }, { session: who, caller }),
      security.emails.add(who, address('fourth'), caller),
      // A code that was right a moment ago, too: by what it proves somebody comes back.
      security.emails.verify(who, third.id, byMail, caller),
      security.phones.verify(who, claimed.id, byPhone, caller),
      security.emails.makePrimary(who, second.id, caller),
      security.emails.remove(who, second.id, caller),
      security.phones.makePrimary(who, phone?.id ?? '', caller),
      security.phones.remove(who, phone?.id ?? '', caller),
      security.phones.setTexts(who, true, caller),
    ]
    expect((await Promise.all(tried)).map(refusal)).toEqual(tried.map(() => 'session_required'))
    const proved = (await users.emails.list(ada.id)).filter(({ verifiedAt }) => verifiedAt)
    expect(proved.map((one) => one.address)).toEqual([ada.email, second.email])
    const numbers = (await users.phones.list(ada.id)).filter(({ verifiedAt }) => verifiedAt)
    expect(numbers.map((one) => one.number)).toEqual([number])
    expect(await users.phones.wantsTexts(ada.id)).toBe(false)
  })

  test('session_that_an_epoch_ended_is_not_renewed_before_its_row_says_so', async () => {
    const ada = await person()
    await stores.sql('UPDATE users SET session_version = session_version + 1 WHERE id = $1', [ada.id])
    expect(await inTx((tx) => sessions.renewIn(tx, ada.who, ada.caller))).toBeNull()
    expect(await inTx((tx) => sessions.isLiveIn(tx, ada.who))).toBe(false)
  })

  for (const way of ['undo', 'lockdown'] as const) {
    test(`personal_tokens_that_an_intruder_made_are_dead_after_the_${way}`, async () => {
      const { ada } = await changed()
      const token = await tokenFor(ada.email, way)
      const asked = { name: 'a key to come back with', scopes: ['email'], days: 30 }
      must(await security.tokens.make(ada.who, asked, ada.caller))
      expect(await oidc.personalTokens.list(ada.id)).toHaveLength(1)
      await (way === 'undo'
        ? security.emailChange.undo(token, somewhere())
        : security.lockdown.lockDown(token, somewhere()))
      expect(await oidc.personalTokens.list(ada.id)).toEqual([])
    })
  }

  test('backup_codes_that_an_intruder_made_are_void_after_the_lockdown_and_old_ones_are_not', async () => {
    const left = async (hours: number) => {
      const ada = await person()
      await inTx((tx) => factors.backupCodes.generate(tx, ada.id, ada.caller))
      later(hours * HOURS)
      ada.who = await signIn(ada.id, ada.caller)
      await proven(ada)
      must(await security.lockdown.lockDown(await tokenFor(ada.email, 'lockdown'), somewhere()))
      return (await factors.backupCodes.status(ada.id))?.left ?? 0
    }
    expect([await left(1), await left(80)]).toEqual([0, 10])
  })

  test('friend_whom_an_intruder_invited_cannot_accept_after_the_lockdown', async () => {
    const [ada, accomplice] = [await person(), await person()]
    must(
      await recovery.contacts.invite({ email: accomplice.email }, { session: ada.who, caller: ada.caller }),
    )
    const link = (await newest(accomplice.email)).links.find((url) => url.includes('/account/vouch/accept'))
    const invitation = new URL(link ?? '').searchParams.get('token') ?? ''
    await proven(ada)
    must(await security.lockdown.lockDown(await tokenFor(ada.email, 'lockdown'), somewhere()))
    const theirs = { session: accomplice.who, caller: accomplice.caller }
    expect(refusal(await recovery.contacts.accept(invitation, theirs))).toBe('link_over')
    expect(await recovery.contacts.list(ada.id)).toEqual([])
  })

  test('friends_named_by_an_intruder_are_no_trusted_contacts_after_the_lockdown_and_old_ones_are', async () => {
    const [ada, friend, accomplice] = [await person(), await person(), await person()]
    const trust = (contactId: string, at: string) =>
      stores.sql(`INSERT INTO trusted_contacts (user_id, contact_id, created_at) VALUES ($1, $2, ${at})`, [
        ada.id,
        contactId,
      ])
    await trust(friend.id, `now() - interval '90 days'`)
    await trust(accomplice.id, 'now()')
    await proven(ada)
    must(await security.lockdown.lockDown(await tokenFor(ada.email, 'lockdown'), somewhere()))
    expect((await recovery.contacts.list(ada.id)).map(({ id }) => id)).toEqual([friend.id])
  })

  test('two_lockdowns_by_different_notices_and_an_undo_at_once_end_in_a_locked_account', async () => {
    const { ada, token } = await changed()
    const locks = await Promise.all(
      (await mails(ada.email)).map((mail) => tokenFor(ada.email, 'lockdown', mail)),
    )
    const results = await Promise.all([
      ...locks.filter(Boolean).map((lock) => security.lockdown.lockDown(lock, somewhere())),
      security.emailChange.undo(token, somewhere()),
    ])
    expect(results.some((result) => result.ok)).toBe(true)
    expect(await addressesOf(ada.id)).toEqual([ada.email])
    expect((await users.get(ada.id))?.lockedDownAt).not.toBeNull()
    expect(await sessions.list(ada.id)).toEqual([])
  })
})

describe('a number that changed hands', () => {
  test('goes_from_its_old_owner_at_the_word_of_an_operator_who_are_told_and_the_new_one_can_add_it', async () => {
    const number = '+4915112345001'
    const [ada, eve] = [await person(), await person()]
    const { id } = must(await security.phones.add(ada.who, { number }, ada.caller))
    must(await security.phones.verify(ada.who, id, (await newest(number)).codes[0] ?? '', ada.caller))

    expect(must(await security.phones.release(number))).toMatchObject({ userId: ada.id })
    expect(await users.phones.ownerOf(number)).toBeNull()
    expect((await newest(ada.email)).subject).toContain('phone number was taken')
    const [event] = (await audit.list(ada.id, { limit: 1, types: ['phone.removed'] })).items
    expect(event).toMatchObject({ actor: 'operator', data: { released: true } })
    expect(refusal(await security.phones.release(number))).toBe('not_found')

    later(31_000)
    const again = must(await security.phones.add(eve.who, { number }, eve.caller))
    const code = (await newest(number)).codes[0] ?? ''
    must(await security.phones.verify(eve.who, again.id, code, eve.caller))
    expect(await users.phones.ownerOf(number)).toBe(eve.id)
  })
})

describe('factors an intruder set up', () => {
  test.each(['undo', 'lockdown'] as const)(
    'intruders_authenticator_goes_with_%s, the older one stays',
    async (how) => {
      const { ada, token } = await changed()
      const since = (days: number) => new Date(Date.now() - days * 86_400_000)
      for (const [name, at] of [
        ['Mine', since(30)],
        ['Thief', since(0)],
      ] as const) {
        await stores.sql(
          "INSERT INTO totps (user_id, name, secret_sealed, created_at) VALUES ($1, $2, 'v1.x.y', $3)",
          [ada.id, name, at],
        )
      }
      if (how === 'undo') {
        expect(await security.emailChange.peek(token)).toMatchObject({ factors: [{ name: 'Thief' }] })
        must(await security.emailChange.undo(token, somewhere()))
      } else {
        const link = await inTx((tx) =>
          factors.links.issue(tx, { purpose: 'lockdown', userId: ada.id, data: {}, lifeSeconds: 3600 }),
        )
        expect(await security.lockdown.peek(link)).toMatchObject({ factors: [{ name: 'Thief' }] })
        must(await security.lockdown.lockDown(link, somewhere()))
      }
      expect((await factors.totp.list(ada.id)).map(({ name }) => name)).toEqual(['Mine'])
    },
  )
})
