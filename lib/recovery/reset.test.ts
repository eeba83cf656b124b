import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import * as factors from '../factors'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as recovery from './index'
import { browser, code, jar, mailsTo, NEW_PASSWORD, PASSWORD, person, tokenIn } from './people.fixture'

const stores = useStores({
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  LIMIT_MAILS_PER_RECIPIENT_HOUR: '5',
})

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => setClock(null))

/** Limits know no clock that goes back, so a session that is old was opened in the past. */
function minutesAgo(minutes: number): void {
  const then = Date.now() - minutes * 60_000
  setClock(() => then)
}

const matches = async (userId: string, plain: string) => {
  const verified = await factors.password.verify(userId, plain)
  return verified.ok && verified.value.match
}

async function linkFor(address: string, caller = testCaller()): Promise<string> {
  expect(code(await recovery.forgot({ email: address }, caller))).toBe('ok')
  const [mail] = await mailsTo(address)
  return tokenIn(mail, '/reset')
}

describe('the forgotten password', () => {
  it('is chosen anew with the link from the mail, and everybody is signed out and told', async () => {
    const ada = await person()
    const home = await browser(ada.id)
    const token = await linkFor(ada.address)
    expect(await recovery.resetView(token)).toEqual({ email: ada.address })
    const done = await recovery.reset({ token, password: NEW_PASSWORD }, testCaller())
    expect(done).toEqual({ ok: true, value: { email: ada.address } })
    expect(await matches(ada.id, NEW_PASSWORD)).toBe(true)
    expect(await matches(ada.id, PASSWORD)).toBe(false)
    expect(await sessions.check(home.caller.cookies)).toBeNull()
    const [notice] = await mailsTo(ada.address)
    expect(notice?.subject).toContain('password was reset')
    expect(notice?.text).toContain('/lockdown?token=')
  })

  it('reset_does_not_sign_in', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    const done = await recovery.reset({ token, password: NEW_PASSWORD }, testCaller())
    expect(JSON.stringify(done)).not.toMatch(/cookie|session/i)
    expect(await sessions.list(ada.id)).toEqual([])
  })

  it('old_cookies_and_refresh_tokens_are_dead_after_a_reset', async () => {
    const ada = await person()
    const old = await browser(ada.id)
    const token = await linkFor(ada.address)
    await recovery.reset({ token, password: NEW_PASSWORD }, testCaller())
    expect(await sessions.check(old.caller.cookies)).toBeNull()
    // Every refresh token of every app names its session, and asks whether it is alive at each use.
    expect(await sessions.alive(old.session.sid)).toBeNull()
    const { rows } = await stores.sql('SELECT revoked_reason FROM sessions WHERE user_id = $1', [ada.id])
    expect(rows).toEqual([{ revoked_reason: 'password_reset' }])
  })

  it('two_posts_of_one_link_at_once_set_one_password', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    const passwords = ['copper lantern meadow one', 'copper lantern meadow two', 'copper lantern meadow six']
    const results = await Promise.all(
      passwords.map((password) => recovery.reset({ token, password }, testCaller())),
    )
    expect(results.map(code).sort()).toEqual(['link_over', 'link_over', 'ok'])
    const winner = results.findIndex((result) => result.ok)
    expect(await matches(ada.id, passwords[winner] ?? '')).toBe(true)
  })

  it('two_links_of_one_person_at_once_set_one_password', async () => {
    const ada = await person()
    const [a, b] = [await linkFor(ada.address), await linkFor(ada.address)]
    expect(a).not.toBe(b)
    const results = await Promise.all(
      [a, b].map((token) => recovery.reset({ token, password: NEW_PASSWORD }, testCaller())),
    )
    expect(results.map(code).sort()).toEqual(['link_over', 'ok'])
  })

  it('the older of two mails works as well, and its use voids the newer', async () => {
    const ada = await person()
    const [older, newer] = [await linkFor(ada.address), await linkFor(ada.address)]
    expect(code(await recovery.reset({ token: older, password: NEW_PASSWORD }, testCaller()))).toBe('ok')
    expect(await recovery.resetView(newer)).toBeNull()
    expect(code(await recovery.reset({ token: newer, password: PASSWORD }, testCaller()))).toBe('link_over')
    expect(await matches(ada.id, NEW_PASSWORD)).toBe(true)
  })

  it('reset_link_after_a_password_change_is_dead', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    const home = await browser(ada.id)
    const changed = await recovery.change({ password: NEW_PASSWORD, signOutOthers: true }, home)
    expect(code(changed)).toBe('ok')
    expect(code(await recovery.reset({ token, password: PASSWORD }, testCaller()))).toBe('link_over')
  })

  it('reset_link_to_an_address_that_left_the_account_is_dead', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    await stores.sql('UPDATE emails SET address = $2 WHERE user_id = $1', [ada.id, `new-${ada.address}`])
    expect(await recovery.resetView(token)).toBeNull()
    expect(code(await recovery.reset({ token, password: NEW_PASSWORD }, testCaller()))).toBe('link_over')
  })

  it('a link is over after thirty minutes', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    const { rows } = await stores.sql(
      'SELECT extract(epoch FROM expires_at - created_at)::int AS life FROM one_time_links WHERE user_id = $1',
      [ada.id],
    )
    expect(rows).toEqual([{ life: 1800 }])
    await stores.sql(
      `UPDATE one_time_links SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
      [ada.id],
    )
    expect(await recovery.resetView(token)).toBeNull()
    expect(code(await recovery.reset({ token, password: NEW_PASSWORD }, testCaller()))).toBe('link_over')
  })

  it('looking_at_a_link_uses_nothing_up', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    for (let i = 0; i < 5; i++) await recovery.resetView(token)
    expect(code(await recovery.reset({ token, password: NEW_PASSWORD }, testCaller()))).toBe('ok')
  })

  it('a refused password leaves the link good', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    for (const password of ['short', 'password1234', ada.address]) {
      expect(code(await recovery.reset({ token, password }, testCaller()))).toMatch(/^password_/)
    }
    expect(code(await recovery.reset({ token, password: NEW_PASSWORD }, testCaller()))).toBe('ok')
  })

  it('reset_of_a_disabled_user_is_refused_before_and_after_the_mail', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    await users.disable(ada.id, { reason: 'left', actor: 'operator' })
    expect(await recovery.resetView(token)).toBeNull()
    expect(code(await recovery.reset({ token, password: NEW_PASSWORD }, testCaller()))).toBe('link_over')
    await recovery.forgot({ email: ada.address }, testCaller())
    const [mail] = await mailsTo(ada.address)
    expect(tokenIn(mail, '/reset')).toBe('')
    expect(await matches(ada.id, PASSWORD)).toBe(true)
  })

  it('an address nobody proved is proven by the link, and what a stranger prepared is gone', async () => {
    const trap = await person({ verified: false })
    const token = await linkFor(trap.address)
    expect(code(await recovery.reset({ token, password: NEW_PASSWORD }, testCaller()))).toBe('ok')
    expect(await users.get(trap.id)).toMatchObject({ status: 'active', emailVerified: true })
    expect(await matches(trap.id, PASSWORD)).toBe(false)
  })

  it('ends a lock-down', async () => {
    const ada = await person()
    await inTx((tx) => users.lockDown(tx, ada.id))
    const token = await linkFor(ada.address)
    await recovery.reset({ token, password: NEW_PASSWORD }, testCaller())
    expect((await users.get(ada.id))?.lockedDownAt).toBeNull()
  })

  it('is kept nowhere as it is: not in the database, events or deliveries', async () => {
    const ada = await person()
    const token = await linkFor(ada.address)
    for (const table of ['one_time_links', 'events', 'deliveries']) {
      const { rows } = await stores.sql(`SELECT row_to_json(t)::text AS row FROM ${table} t`)
      expect(rows.some(({ row }) => row.includes(token))).toBe(false)
    }
  })
})

describe('asking for it', () => {
  it('tells_nothing_by_answer_and_sends_one_mail_to_known_and_unknown_alike', async () => {
    const known = await person()
    const disabled = await person()
    const pending = await person({ verified: false })
    await users.disable(disabled.id, { reason: 'left', actor: 'operator' })
    const unknown = `nobody.${known.address}`
    const answers = []
    for (const email of [known.address, disabled.address, pending.address, unknown]) {
      answers.push(await recovery.forgot({ email }, testCaller()))
      expect((await mailsTo(email)).length).toBe(1)
    }
    for (const answer of answers) expect(answer).toEqual({ ok: true, value: undefined })
  })

  it('does_the_same_work_before_the_answer_for_known_and_unknown', async () => {
    const known = await person()
    const rows = async () =>
      Promise.all(
        ['one_time_links', 'events', 'deliveries'].map(async (table) =>
          Number((await stores.sql(`SELECT count(*) FROM ${table}`)).rows[0].count),
        ),
      )
    const written = async (email: string) => {
      const before = await rows()
      await recovery.forgot({ email }, testCaller())
      return (await rows()).map((count, index) => count - (before[index] ?? 0))
    }
    // One owed look-up each; who it is about is found out when the answer is long out.
    expect(await written(known.address)).toEqual([0, 0, 1])
    expect(await written(`nobody.${known.address}`)).toEqual([0, 0, 1])
  })

  it('limits_known_and_unknown_names_alike_and_per_mailbox', async () => {
    const known = await person()
    const trace = async (name: string) => {
      const [local, domain] = name.split('@')
      const codes: string[] = []
      for (let i = 0; i < 7; i++) {
        const caller = testCaller({ ip: `192.0.2.${i}`, ipPrefix: `192.0.2.${i}` })
        const spelling = i % 2 ? `${local?.toUpperCase()}+${i}@${domain}` : name
        codes.push(code(await recovery.forgot({ email: spelling }, caller)))
      }
      return codes
    }
    const expected = ['ok', 'ok', 'ok', 'ok', 'ok', 'rate_limited', 'rate_limited']
    expect(await trace(known.address)).toEqual(expected)
    expect(await trace(`nobody.${known.address}`)).toEqual(expected)
  })

  it('refuses_more_than_one_mailbox', async () => {
    for (const email of [
      'a@example.com,b@evil.example',
      '"a@evil.example"@example.com',
      'a＠example.com',
      'a@b\r\nc',
    ]) {
      expect(code(await recovery.forgot({ email }, testCaller()))).toBe('invalid_email')
    }
  })

  it('links_lead_to_the_configured_origin_whoever_asked', async () => {
    const ada = await person()
    await recovery.forgot({ email: ada.address }, testCaller({ userAgent: 'https://evil.example/' }))
    const [mail] = await mailsTo(ada.address)
    expect(mail?.links.length).toBeGreaterThan(0)
    for (const link of mail?.links ?? []) expect(new URL(link).origin).toBe('http://localhost:3000')
    expect(mail?.html).not.toContain('evil.example')
  })

  it('a repeated delivery sends no second mail', async () => {
    const ada = await person()
    await recovery.forgot({ email: ada.address }, testCaller())
    await audit.drain()
    await stores.sql(`UPDATE deliveries SET delivered_at = NULL WHERE kind = 'password_reset'`)
    await audit.drain({ now: true })
    expect(await mailsTo(ada.address)).toHaveLength(1)
  })
})

describe('changing it', () => {
  /** A browser whose last proof is eleven minutes old. */
  const staleBrowser = async (userId: string) => {
    minutesAgo(11)
    const opened = await browser(userId)
    setClock(null)
    return opened
  }

  it('needs_the_old_password_or_a_fresh_proof', async () => {
    const ada = await person()
    const home = await staleBrowser(ada.id)
    const input = { password: NEW_PASSWORD, signOutOthers: true }
    expect(code(await recovery.change(input, home))).toBe('proof_required')
    expect(code(await recovery.change({ ...input, current: 'wrong wrong wrong' }, home))).toBe(
      'password_wrong',
    )
    expect(await matches(ada.id, PASSWORD)).toBe(true)
    expect(code(await recovery.change({ ...input, current: PASSWORD }, home))).toBe('ok')
    expect(await matches(ada.id, NEW_PASSWORD)).toBe(true)
  })

  it('old_password_and_a_stolen_cookie_do_not_get_past_the_second_factor', async () => {
    const ada = await person()
    const home = await staleBrowser(ada.id)
    await inTx((tx) =>
      tx.totp.create({ data: { userId: ada.id, name: 'Phone', secretSealed: 'x' } }).then(() => undefined),
    )
    const input = { current: PASSWORD, password: NEW_PASSWORD, signOutOthers: true }
    expect(code(await recovery.change(input, home))).toBe('proof_required')
    expect(await matches(ada.id, PASSWORD)).toBe(true)
  })

  it('password_that_is_locked_unlocks_nothing', async () => {
    const ada = await person()
    await inTx((tx) => users.lockDown(tx, ada.id))
    const home = await staleBrowser(ada.id)
    const input = { current: PASSWORD, password: NEW_PASSWORD, signOutOthers: true }
    expect(code(await recovery.change(input, home))).toBe('proof_required')
    expect((await users.get(ada.id))?.lockedDownAt).not.toBeNull()
  })

  it('a wrong old password is refused though the session is fresh', async () => {
    const ada = await person()
    const input = { current: 'wrong wrong wrong', password: NEW_PASSWORD, signOutOthers: false }
    expect(code(await recovery.change(input, await browser(ada.id)))).toBe('password_wrong')
  })

  it('who has no password sets one after a fresh proof only', async () => {
    const ada = await person({ password: null })
    const home = await staleBrowser(ada.id)
    const input = { current: 'anything at all', password: NEW_PASSWORD, signOutOthers: false }
    expect(code(await recovery.change(input, home))).toBe('proof_required')
    expect(code(await recovery.change(input, await browser(ada.id)))).toBe('ok')
    const [notice] = await mailsTo(ada.address)
    expect(notice?.subject).toContain('A password was set')
  })

  it('ends other sessions when asked and leaves them when not', async () => {
    const ada = await person()
    const [here, there] = [await browser(ada.id), await browser(ada.id)]
    const kept = await recovery.change({ password: NEW_PASSWORD, signOutOthers: false }, here)
    expect(kept).toMatchObject({ ok: true, value: { ended: 0 } })
    expect(await sessions.check(there.caller.cookies)).not.toBeNull()
    const session = await sessions.check(kept.ok ? jar(kept.value.setCookies) : {})
    if (!session) throw new Error('signed out')
    const ended = await recovery.change({ password: PASSWORD, signOutOthers: true }, { ...here, session })
    expect(ended).toMatchObject({ ok: true, value: { ended: 1 } })
    expect(await sessions.check(there.caller.cookies)).toBeNull()
  })

  it('the_old_cookie_of_this_browser_is_dead_and_the_new_one_lives', async () => {
    const ada = await person()
    const home = await browser(ada.id)
    const done = await recovery.change({ password: NEW_PASSWORD, signOutOthers: true }, home)
    if (!done.ok) throw new Error(done.refusal.code)
    expect(await sessions.check(home.caller.cookies)).toBeNull()
    expect(await sessions.check(jar(done.value.setCookies, home.caller.cookies))).toMatchObject({
      sid: home.session.sid,
    })
  })

  it('wrong_old_passwords_and_wrong_sign_ins_share_one_count', async () => {
    const ada = await person()
    const home = await staleBrowser(ada.id)
    const input = { password: NEW_PASSWORD, signOutOthers: true }
    for (let i = 0; i < 10; i++) {
      expect(code(await recovery.change({ ...input, current: `wrong ${i} wrong` }, home))).toBe(
        'password_wrong',
      )
    }
    expect(code(await recovery.change({ ...input, current: PASSWORD }, home))).toBe('rate_limited')
    const device = await sessions.knownDevice(ada.id, home.caller.cookies)
    if (!device) throw new Error('device')
    expect(code(await factors.tries.spend({ userId: ada.id, device }))).toBe('rate_limited')
    // The owner of another browser is not kept out by it.
    expect(code(await factors.tries.spend({ email: ada.address }))).toBe('ok')
  })

  it('new_password_asks_every_browser_again_and_ends_sign_ins_under_way, also where nobody is signed out', async () => {
    const ada = await person()
    const home = await browser(ada.id)
    await stores.sql(
      `UPDATE devices SET trust_hash = 'x', trusted_until = now() + interval '1 day' WHERE user_id = $1`,
      [ada.id],
    )
    const before = await inTx((tx) => sessions.versionsIn(tx, ada.id))
    expect(code(await recovery.change({ password: NEW_PASSWORD, signOutOthers: false }, home))).toBe('ok')
    const { rows } = await stores.sql('SELECT trust_hash FROM devices WHERE user_id = $1', [ada.id])
    expect(rows).toEqual([{ trust_hash: null }])
    expect(await inTx((tx) => sessions.versionsIn(tx, ada.id))).not.toEqual(before)
  })

  it('two changes at once in one browser: one wins', async () => {
    const ada = await person()
    const home = await browser(ada.id)
    const results = await Promise.all(
      [NEW_PASSWORD, `${NEW_PASSWORD} too`].map((password) =>
        recovery.change({ password, signOutOthers: true }, home),
      ),
    )
    expect(results.map(code).sort()).toEqual(['ok', 'session_required'])
    const winner = results.findIndex((result) => result.ok)
    expect(await matches(ada.id, winner === 0 ? NEW_PASSWORD : `${NEW_PASSWORD} too`)).toBe(true)
  })
})
