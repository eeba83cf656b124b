import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import * as factors from '../factors'
import * as oidc from '../oidc'
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
    expect(await security.emailChange.peek(token)).toMatchObject({ from: ada.email, to: second.email })
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
    expect(await security.lockdown.peek(token)).toEqual({ address: second.email })
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
