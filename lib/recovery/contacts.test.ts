import { beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { uuid } from '../base/ids'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as recovery from './index'
import { browser, code, mailsTo, NEW_PASSWORD, type Person, person, tokenIn } from './people.fixture'

const { sql } = useStores({
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  RECOVERY_CONTACTS_NEEDED: '2',
})

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})

/** Named, invited, accepted; and long ago, unless it is said otherwise. */
async function befriend(ada: Person, contact: Person, options: { fresh?: boolean } = {}) {
  const invited = await recovery.contacts.invite({ email: contact.address }, await browser(ada.id))
  if (!invited.ok) throw new Error(invited.refusal.code)
  const token = tokenIn((await mailsTo(contact.address))[0], '/account/vouch/accept')
  const accepted = await recovery.contacts.accept(token, await browser(contact.id))
  if (!accepted.ok) throw new Error(accepted.refusal.code)
  if (!options.fresh) {
    await sql(`UPDATE trusted_contacts SET created_at = now() - interval '30 days' WHERE user_id = $1`, [
      ada.id,
    ])
  }
  return token
}

/** Ada loses everything and asks. */
async function ask(ada: Person) {
  const asked = await recovery.delayed.request({ email: ada.address }, testCaller())
  if (!asked.ok) throw new Error(asked.refusal.code)
  await audit.drain()
  const { token } = asked.value
  const view = await recovery.delayed.view(token)
  const { rows } = await sql('SELECT id::text FROM recovery_requests WHERE user_id = $1', [ada.id])
  return { token, code: view.state === 'waiting' ? view.code : '', requestId: String(rows[0]?.id) }
}

const state = async (token: string) => (await recovery.delayed.view(token)).state

describe('vouching', () => {
  it('two of three contacts end the waiting time at once, and the owner is told', async () => {
    const [ada, bob, eve, kim] = [await person(), await person(), await person(), await person()]
    for (const contact of [bob, eve, kim]) await befriend(ada, contact)
    const asked = await ask(ada)
    const [mail] = await mailsTo(bob.address)
    expect(mail?.links.some((url) => url.endsWith(`/account/vouch/${asked.requestId}`))).toBe(true)
    const first = await recovery.contacts.vouch(asked, await browser(bob.id))
    expect(first).toEqual({ ok: true, value: { hastened: false } })
    expect(await state(asked.token)).toBe('waiting')
    const second = await recovery.contacts.vouch(asked, await browser(eve.id))
    expect(second).toEqual({ ok: true, value: { hastened: true } })
    expect(await state(asked.token)).toBe('ready')
    expect((await mailsTo(ada.address))[0]?.subject).toContain('vouched')
    const done = await recovery.delayed.complete(
      { token: asked.token, password: NEW_PASSWORD, removeFactors: false },
      testCaller(),
    )
    expect(code(done)).toBe('ok')
  })

  it('one_contact_twice_counts_once_also_at_the_same_instant', async () => {
    const [ada, bob, eve] = [await person(), await person(), await person()]
    for (const contact of [bob, eve]) await befriend(ada, contact)
    const asked = await ask(ada)
    const who = await browser(bob.id)
    const results = await Promise.all([1, 2, 3].map(() => recovery.contacts.vouch(asked, who)))
    expect(results.filter((result) => result.ok)).toHaveLength(1)
    expect(await state(asked.token)).toBe('waiting')
  })

  it('contact_approving_their_own_recovery_is_refused', async () => {
    const [ada, bob] = [await person(), await person()]
    await befriend(ada, bob)
    await befriend(bob, ada)
    const asked = await ask(ada)
    const own = await browser(ada.id)
    expect(code(await recovery.contacts.vouch(asked, own))).toBe('not_found')
    expect(await recovery.contacts.vouchView(asked.requestId, ada.id)).toBeNull()
    // Not even as a row that should not be there.
    await sql(
      "INSERT INTO trusted_contacts (user_id, contact_id, created_at) VALUES ($1, $1, now() - interval '90 days')",
      [ada.id],
    )
    expect(code(await recovery.contacts.vouch(asked, own))).toBe('not_found')
  })

  it('non_contact_approving_is_refused_and_learns_nothing', async () => {
    const [ada, mallory] = [await person(), await person()]
    const asked = await ask(ada)
    const who = await browser(mallory.id)
    expect(code(await recovery.contacts.vouch(asked, who))).toBe('not_found')
    const none = { ...asked, requestId: '00000000-0000-4000-8000-000000000000' }
    expect(await recovery.contacts.vouch(none, who)).toEqual(await recovery.contacts.vouch(asked, who))
    expect(await recovery.contacts.vouchView(asked.requestId, mallory.id)).toBeNull()
  })

  it('contacts_named_by_a_stolen_session_just_before_do_not_count', async () => {
    const [ada, bob, eve] = [await person(), await person(), await person()]
    for (const contact of [bob, eve]) await befriend(ada, contact, { fresh: true })
    const asked = await ask(ada)
    for (const contact of [bob, eve]) {
      expect(code(await recovery.contacts.vouch(asked, await browser(contact.id)))).toBe('not_found')
    }
    expect(await state(asked.token)).toBe('waiting')
  })

  it('needs a fresh proof and the code that only the asker knows, guessed five times at most', async () => {
    const [ada, bob] = [await person(), await person()]
    await befriend(ada, bob)
    const asked = await ask(ada)
    const then = Date.now() - 11 * 60_000
    setClock(() => then)
    const stale = await browser(bob.id)
    setClock(null)
    expect(code(await recovery.contacts.vouch(asked, stale))).toBe('proof_required')
    const who = await browser(bob.id)
    const wrong = asked.code === '000000' ? '000001' : '000000'
    for (let i = 0; i < 5; i++) {
      expect(code(await recovery.contacts.vouch({ ...asked, code: wrong }, who))).toBe('code_wrong')
    }
    expect(code(await recovery.contacts.vouch(asked, who))).toBe('rate_limited')
  })

  it('request_under_way_of_a_session_that_just_ended_vouches_accepts_and_ends_nothing', async () => {
    const [ada, bob] = [await person(), await person()]
    await befriend(ada, bob)
    const asked = await ask(ada)
    const kim = await person()
    await recovery.contacts.invite({ email: kim.address }, await browser(ada.id))
    const token = tokenIn((await mailsTo(kim.address))[0], '/account/vouch/accept')
    const [pending] = await recovery.contacts.pending(ada.id)
    // What these requests remember of their sessions is from before they ended.
    const [home, bobs, kims] = [await browser(ada.id), await browser(bob.id), await browser(kim.id)]
    for (const { session } of [home, bobs, kims])
      await sessions.revoke({ userId: session.userId, sid: session.sid }, { reason: 'user' })
    const pair = { userId: ada.id, contactId: bob.id }
    const tried = [
      recovery.contacts.vouch(asked, bobs),
      recovery.contacts.accept(token, kims),
      recovery.contacts.withdraw(pending?.id ?? '', home),
      recovery.contacts.remove(pair, home),
    ]
    expect((await Promise.all(tried)).map(code)).toEqual(tried.map(() => 'session_required'))
    expect((await recovery.contacts.list(ada.id)).map(({ id }) => id)).toEqual([bob.id])
    expect((await recovery.contacts.pending(ada.id)).map(({ id }) => id)).toEqual([pending?.id])
  })

  it('is over with the request: after a veto nobody vouches', async () => {
    const [ada, bob] = [await person(), await person()]
    await befriend(ada, bob)
    const asked = await ask(ada)
    const stop = tokenIn(
      (await mailsTo(ada.address)).find((m) => tokenIn(m, '/recover/stop')),
      '/recover/stop',
    )
    await recovery.veto({ token: stop }, testCaller())
    expect(code(await recovery.contacts.vouch(asked, await browser(bob.id)))).toBe('not_found')
  })

  it('an approval of somebody no longer trusted does not count', async () => {
    const [ada, bob, eve] = [await person(), await person(), await person()]
    for (const contact of [bob, eve]) await befriend(ada, contact)
    const asked = await ask(ada)
    await recovery.contacts.vouch(asked, await browser(bob.id))
    await sql('DELETE FROM trusted_contacts WHERE user_id = $1 AND contact_id = $2', [ada.id, bob.id])
    const second = await recovery.contacts.vouch(asked, await browser(eve.id))
    expect(second).toEqual({ ok: true, value: { hastened: false } })
  })
})

describe('naming', () => {
  it('looks_the_same_for_known_and_unknown_addresses', async () => {
    const [ada, bob] = [await person(), await person()]
    const home = await browser(ada.id)
    const unknown = `nobody.${bob.address}`
    for (const email of [bob.address, unknown]) {
      expect(await recovery.contacts.invite({ email }, home)).toEqual({ ok: true, value: undefined })
      expect(await mailsTo(email)).toHaveLength(1)
    }
    const pending = await recovery.contacts.pending(ada.id)
    expect(pending.map(({ address }) => address).sort()).toEqual([bob.address, unknown].sort())
    expect(await recovery.contacts.list(ada.id)).toEqual([])
  })

  it('somebody_who_found_the_mail_cannot_accept_with_another_account', async () => {
    const [ada, bob, mallory] = [await person(), await person(), await person()]
    await recovery.contacts.invite({ email: bob.address }, await browser(ada.id))
    const token = tokenIn((await mailsTo(bob.address))[0], '/account/vouch/accept')
    const who = await browser(mallory.id)
    expect(code(await recovery.contacts.accept(token, who))).toBe('contact_other_address')
    expect(await recovery.invitation(token, mallory.id)).toMatchObject({ forYou: false })
    expect(code(await recovery.contacts.accept(token, await browser(bob.id)))).toBe('ok')
    expect(code(await recovery.contacts.accept(token, await browser(bob.id)))).toBe('link_over')
    expect(await recovery.contacts.list(ada.id)).toMatchObject([{ id: bob.id, counts: false }])
  })

  it('invitations_cannot_be_made_a_flood: five to one mailbox and ten in all a day, ten that wait', async () => {
    const address = () => `friend.${uuid().slice(0, 8)}@example.com`
    const invite = (email: string, who: Awaited<ReturnType<typeof browser>>) =>
      recovery.contacts.invite({ email }, who).then(code)
    const [one, ten, patient] = [await person(), await person(), await person()]
    const [to, home] = [address(), await browser(one.id)]
    for (let i = 0; i < 5; i++) expect(await invite(to, home)).toBe('ok')
    expect(await invite(to, home)).toBe('rate_limited')
    expect(await mailsTo(to)).toHaveLength(5)
    const here = await browser(ten.id)
    for (let i = 0; i < 10; i++) {
      expect(await invite(address(), here)).toBe('ok')
      const [last] = await recovery.contacts.pending(ten.id)
      expect(code(await recovery.contacts.withdraw(last?.id ?? '', here))).toBe('ok')
    }
    expect(await invite(address(), here)).toBe('rate_limited')
    const there = await browser(patient.id)
    for (let i = 0; i < 10; i++) expect(await invite(address(), there)).toBe('ok')
    expect(await invite(address(), there)).toBe('too_many')
  })

  it('needs a fresh proof; oneself is nobody to trust; an invitation can be withdrawn by its owner alone', async () => {
    const [ada, bob, mallory] = [await person(), await person(), await person()]
    const home = await browser(ada.id)
    expect(code(await recovery.contacts.invite({ email: ada.address.toUpperCase() }, home))).toBe(
      'contact_self',
    )
    await recovery.contacts.invite({ email: bob.address }, home)
    const [pending] = await recovery.contacts.pending(ada.id)
    const id = pending?.id ?? ''
    expect(code(await recovery.contacts.withdraw(id, await browser(mallory.id)))).toBe('not_found')
    expect(code(await recovery.contacts.withdraw(id, home))).toBe('ok')
    const token = tokenIn((await mailsTo(bob.address))[0], '/account/vouch/accept')
    expect(code(await recovery.contacts.accept(token, await browser(bob.id)))).toBe('link_over')
  })

  it('a_stolen_cookie_of_yesterday_names_and_removes_nobody_and_a_contact_may_step_down_at_any_time', async () => {
    const [ada, bob] = [await person(), await person()]
    await befriend(ada, bob)
    const pair = { userId: ada.id, contactId: bob.id }
    const then = Date.now() - 11 * 60_000
    setClock(() => then)
    const [stolen, contact] = [await browser(ada.id), await browser(bob.id)]
    setClock(null)
    expect(code(await recovery.contacts.remove(pair, stolen))).toBe('proof_required')
    expect(await recovery.contacts.list(ada.id)).toHaveLength(1)
    const friend = { email: `friend.${ada.address}` }
    expect(code(await recovery.contacts.invite(friend, stolen))).toBe('proof_required')
    expect(await mailsTo(friend.email)).toEqual([])
    expect(code(await recovery.contacts.remove(pair, contact))).toBe('ok')
  })

  it('ends from either side, and from nobody else', async () => {
    const [ada, bob, mallory] = [await person(), await person(), await person()]
    await befriend(ada, bob)
    const pair = { userId: ada.id, contactId: bob.id }
    expect(code(await recovery.contacts.remove(pair, await browser(mallory.id)))).toBe('not_found')
    expect(code(await recovery.contacts.remove(pair, await browser(bob.id)))).toBe('ok')
    expect(await recovery.contacts.list(ada.id)).toEqual([])
    expect((await mailsTo(ada.address))[0]?.subject).toContain('contact was removed')
  })
})
