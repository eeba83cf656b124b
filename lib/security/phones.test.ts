import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as users from '../users'
import * as security from './index'
import { mails, must, newest, person, refusal, type Someone, signIn, somewhere } from './people.fixture'

const stores = useStores({
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  LIMIT_SMS_PER_IP_DAY: '1000',
})

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => setClock(null))

let count = 0
const lonely = () => `+49160${String(1000 + count++)}001`

const codeTo = async (number: string) => (await newest(number)).codes[0] ?? ''

async function added(someone: Someone, number = lonely()) {
  const { id, refusal: why } = must(await security.phones.add(someone.who, { number }, someone.caller))
  expect(why).toBeNull()
  return { id, number }
}

async function proven(someone: Someone, number = lonely()) {
  const { id } = await added(someone, number)
  must(await security.phones.verify(someone.who, id, await codeTo(number), someone.caller))
  return { id, number }
}

/** From now on it is `seconds` later. */
const later = (seconds: number) => {
  const at = Date.now()
  setClock(() => at + seconds * 1000)
}

describe('adding a number', () => {
  test('counts once its code came back, and all proven addresses are told', async () => {
    const ada = await person()
    const { id, number } = await added(ada)
    expect(await users.phones.ownerOf(number)).toBeNull()
    expect(await security.phones.pending(ada.who, number)).toMatchObject({ resendAt: expect.any(Number) })
    const code = await codeTo(number)
    const spaced = `${code.slice(0, 3)}-${code.slice(3)}`
    expect(must(await security.phones.verify(ada.who, id, spaced, ada.caller)).number).toMatch(/^\+49 160 /)
    expect(await users.phones.ownerOf(number)).toBe(ada.id)
    const notice = await newest(ada.email)
    expect(notice.subject).toContain('A phone number was added')
    expect(notice.text).toContain('+49 160')
    expect(notice.links.map((url) => new URL(url).pathname)).toEqual(['/lockdown'])
  })

  test('asks for a fresh proof, as making primary and removing do', async () => {
    const ada = await person()
    const { id } = await proven(ada)
    later(11 * 60)
    const { who, caller } = ada
    expect(refusal(await security.phones.add(who, { number: lonely() }, caller))).toBe('proof_required')
    expect(refusal(await security.phones.makePrimary(who, id, caller))).toBe('proof_required')
    expect(refusal(await security.phones.remove(who, id, caller))).toBe('proof_required')
    expect(await users.phones.list(ada.id)).toHaveLength(1)
  })

  test('removing and moving the primary are told as well', async () => {
    const ada = await person()
    const first = await proven(ada)
    later(31)
    const second = await proven(ada)
    must(await security.phones.makePrimary(ada.who, second.id, ada.caller))
    expect((await newest(ada.email)).subject).toContain('primary phone number was changed')
    must(await security.phones.remove(ada.who, first.id, ada.caller))
    expect((await newest(ada.email)).subject).toContain('A phone number was removed')
  })

  for (const way of ['removed', 'released'] as const) {
    test(`${way}_number_ends_what_was_under_way_by_it: trust and sign-ins`, async () => {
      const ada = await person()
      const { id, number } = await proven(ada)
      await stores.sql(
        `UPDATE devices SET trust_hash = 'x', trusted_until = now() + interval '1 day' WHERE user_id = $1`,
        [ada.id],
      )
      const before = await inTx((tx) => sessions.versionsIn(tx, ada.id))
      if (way === 'removed') must(await security.phones.remove(ada.who, id, ada.caller))
      else must(await security.phones.release(number))
      const { rows } = await stores.sql('SELECT trust_hash FROM devices WHERE user_id = $1', [ada.id])
      expect(rows).toEqual([{ trust_hash: null }])
      expect(await inTx((tx) => sessions.versionsIn(tx, ada.id))).not.toEqual(before)
    })
  }
})

describe('attacks', () => {
  test('code_for_number_a_used_for_number_b', async () => {
    const ada = await person()
    const a = await added(ada)
    later(31)
    const b = await added(ada)
    const [codeA, codeB] = [await codeTo(a.number), await codeTo(b.number)]
    const tried = async (id: string, code: string) =>
      refusal(await security.phones.verify(ada.who, id, code, ada.caller))
    expect(await tried(a.id, codeB)).toBe('code_wrong')
    expect(await tried(a.id, codeA)).toBe('code_wrong')
    expect(await tried(b.id, codeB)).toBeNull()
    expect(await users.phones.ownerOf(a.number)).toBeNull()
  })

  test('code_asked_for_in_one_browser_used_in_another', async () => {
    const ada = await person()
    const { id, number } = await added(ada)
    const elsewhere = await signIn(ada.id)
    const code = await codeTo(number)
    expect(await security.phones.pending(elsewhere, number)).toBeNull()
    expect(refusal(await security.phones.verify(elsewhere, id, code, somewhere()))).toBe('code_wrong')
    must(await security.phones.verify(ada.who, id, code, ada.caller))
  })

  test('anothers_claim_cannot_be_confirmed_resent_or_removed', async () => {
    const [ada, eve] = [await person(), await person()]
    const { id, number } = await added(ada)
    const code = await codeTo(number)
    expect(refusal(await security.phones.verify(eve.who, id, code, eve.caller))).toBe('not_found')
    expect(refusal(await security.phones.resend(eve.who, id, eve.caller))).toBe('not_found')
    expect(refusal(await security.phones.remove(eve.who, id, eve.caller))).toBe('not_found')
    must(await security.phones.verify(ada.who, id, code, ada.caller))
  })

  test('number_of_somebody_else_looks_free_and_its_owner_is_told', async () => {
    const [owner, eve] = [await person(), await person()]
    const { number } = await proven(owner)
    const before = (await mails(number)).length
    const free = lonely()
    later(31)
    const taken = await security.phones.add(eve.who, { number }, eve.caller)
    const pending = await security.phones.pending(eve.who, number)
    later(62)
    const other = await security.phones.add(eve.who, { number: free }, eve.caller)
    expect({ ...must(taken), id: '' }).toEqual({ ...must(other), id: '' })
    expect(Object.keys(pending ?? {})).toEqual(
      Object.keys((await security.phones.pending(eve.who, free)) ?? {}),
    )
    const told = await mails(number)
    expect(told).toHaveLength(before + 1)
    expect(told[0]?.codes).toEqual([])
    expect(told[0]?.text).toContain('another account')
    expect(
      refusal(await security.phones.verify(eve.who, must(taken).id, '123456', eve.caller)),
    ).not.toBeNull()
    expect(await users.phones.ownerOf(number)).toBe(owner.id)
  })

  test('unverified_claim_of_anothers_number_in_both_orders', async () => {
    for (const claimFirst of [true, false]) {
      const [owner, eve] = [await person(), await person()]
      const number = lonely()
      let at = 0
      const soon = () => {
        at += 31
        later(at)
      }
      if (claimFirst) await added(eve, number)
      soon()
      await proven(owner, number)
      soon()
      if (!claimFirst) await security.phones.add(eve.who, { number }, eve.caller)
      expect(await users.phones.ownerOf(number)).toBe(owner.id)
      expect((await users.phones.list(eve.id)).filter(({ verifiedAt }) => verifiedAt)).toEqual([])
    }
  })
})

describe('security changes by text message', () => {
  const textsTo = async (number: string) =>
    (await mails(number)).filter(({ text }) => text.includes('/lockdown'))

  test('are told to the proven number of whoever chose it, with the link that locks the account', async () => {
    const ada = await person()
    must(await security.phones.setTexts(ada.who, true, ada.caller))
    expect(await users.phones.wantsTexts(ada.id)).toBe(false)
    const { number } = await proven(ada)
    const { number: claimed } = await added(ada)
    expect(await textsTo(number)).toEqual([])
    must(await security.phones.setTexts(ada.who, true, ada.caller))
    await inTx((tx) => security.tellSecurity(tx, ada.id, 'new_device', ada.caller))
    await inTx((tx) => security.tellSecurity(tx, ada.id, 'password_changed', ada.caller))
    // Nobody got in: that is for the mailbox alone.
    await inTx((tx) => security.tellSecurity(tx, ada.id, 'many_failures', ada.caller))
    const texts = await textsTo(number)
    expect(texts).toHaveLength(2)
    expect(await textsTo(claimed)).toEqual([])
    const link = texts.find(({ text }) => text.includes('new sign-in'))?.links[0] ?? ''
    const token = new URL(link).searchParams.get('token') ?? ''
    must(await security.lockdown.lockDown(token, somewhere()))
    expect(await sessions.alive(ada.who.sid)).toBeNull()
    const { items } = await audit.list(ada.id, { limit: 9, types: ['phone.notices_changed'] })
    expect(items.map(({ data }) => data)).toEqual([{ on: true }])
  })

  test('cost no more than they may, and nothing of what did not happen', async () => {
    const ada = await person()
    const { number } = await proven(ada)
    must(await security.phones.setTexts(ada.who, true, ada.caller))
    const failing = inTx(async (tx) => {
      await security.tellSecurity(tx, ada.id, 'new_device', ada.caller)
      throw new Error('rolled back')
    })
    await expect(failing).rejects.toThrow('rolled back')
    expect(await textsTo(number)).toEqual([])
    for (let i = 0; i < 9; i++)
      await inTx((tx) => security.tellSecurity(tx, ada.id, 'new_device', ada.caller))
    expect(await textsTo(number)).toHaveLength(6)
    // Codes to the same number are counted apart: whoever waits for one gets it.
    must(await security.phones.setTexts(ada.who, false, ada.caller))
    await inTx((tx) => security.tellSecurity(tx, ada.id, 'new_device', ada.caller))
    expect(await textsTo(number)).toHaveLength(6)
  })

  test('a_stolen_session_cannot_switch_them_off', async () => {
    const ada = await person()
    await proven(ada)
    must(await security.phones.setTexts(ada.who, true, ada.caller))
    later(16 * 60)
    expect(refusal(await security.phones.setTexts(ada.who, false, ada.caller))).toBe('proof_required')
    expect(await users.phones.wantsTexts(ada.id)).toBe(true)
  })
})
