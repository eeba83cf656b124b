import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import * as factors from '../factors'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as users from '../users'
import * as security from './index'
import {
  address,
  addressesOf,
  mails,
  must,
  newest,
  person,
  primaryOf,
  proven,
  refusal,
  type Someone,
  signIn,
  somewhere,
} from './people.fixture'

const stores = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => setClock(null))

/** From now on it is `seconds` later. */
const later = (seconds: number) => {
  const at = Date.now()
  setClock(() => at + seconds * 1000)
}

describe('adding an address', () => {
  test('counts once its code came back, and all proven addresses are told', async () => {
    const ada = await person()
    const email = address('new')
    const { id } = must(await security.emails.add(ada.who, email, ada.caller))
    expect(await users.find({ email })).toBeNull()
    expect(await security.emails.pending(ada.who, email)).toMatchObject({ resendAt: expect.any(Number) })
    const mail = await newest(email)
    const code = mail.codes[0] ?? ''
    expect(mail.links).toEqual([`http://localhost:3000/verify/address?id=${id}&code=${code}`])
    const spaced = `${code.slice(0, 3)} ${code.slice(3)}`
    expect(must(await security.emails.verify(ada.who, id, spaced, ada.caller))).toEqual({ address: email })
    expect((await users.find({ email }))?.id).toBe(ada.id)
    expect(await primaryOf(ada.id)).toBe(ada.email)
    for (const to of [ada.email, email]) {
      const notice = await newest(to)
      expect(notice.subject).toContain('An address was added')
      expect(notice.text).toContain(email)
      expect(notice.text).toContain(ada.caller.ip)
      expect(notice.text).toContain('Chrome')
      expect(notice.links.map((url) => new URL(url).pathname)).toEqual(['/lockdown'])
    }
  })

  test('asks for a fresh proof, as making primary and removing do', async () => {
    const ada = await person()
    const second = await proven(ada)
    later(11 * 60)
    expect(refusal(await security.emails.add(ada.who, address(), ada.caller))).toBe('proof_required')
    expect(refusal(await security.emails.makePrimary(ada.who, second.id, ada.caller))).toBe('proof_required')
    expect(refusal(await security.emails.remove(ada.who, second.id, ada.caller))).toBe('proof_required')
    expect(await primaryOf(ada.id)).toBe(ada.email)
    expect(await addressesOf(ada.id)).toEqual([ada.email, second.email])
  })

  test('twice is once; one that is proven is there already; the eleventh is one too many', async () => {
    const ada = await person()
    expect(refusal(await security.emails.add(ada.who, ada.email.toUpperCase(), ada.caller))).toBe(
      'already_exists',
    )
    const email = address()
    const first = must(await security.emails.add(ada.who, email, ada.caller))
    const again = must(await security.emails.add(ada.who, email, ada.caller))
    expect(again).toMatchObject({ id: first.id, refusal: { code: 'rate_limited' } })
    for (let n = 2; n < users.MAX_ADDRESSES; n++)
      must(await security.emails.add(ada.who, address(), ada.caller))
    expect(refusal(await security.emails.add(ada.who, address(), ada.caller))).toBe('too_many')
    expect(await addressesOf(ada.id)).toHaveLength(users.MAX_ADDRESSES)
  })

  test('the newest code counts, ten minutes, once', async () => {
    const ada = await person()
    const email = address()
    const { id } = must(await security.emails.add(ada.who, email, ada.caller))
    const old = (await newest(email)).codes[0] ?? ''
    later(31)
    must(await security.emails.resend(ada.who, id, ada.caller))
    const code = (await newest(email)).codes[0] ?? ''
    if (old !== code)
      expect(refusal(await security.emails.verify(ada.who, id, old, ada.caller))).toBe('code_wrong')
    later(31 + 601)
    expect(refusal(await security.emails.verify(ada.who, id, code, ada.caller))).toBe('code_expired')
    expect(await security.emails.pending(ada.who, email)).toBeNull()
  })

  test.each([
    'a@x.com,b@x.com',
    'a@x.com\nBcc: b@x.com',
    '"e@evil.com"@x.com',
    'a＠x.com',
    `${'a'.repeat(300)}@x.com`,
  ])('refuses what is not one plain mailbox: %#', async (email) => {
    const ada = await person()
    expect(refusal(await security.emails.add(ada.who, email, ada.caller))).toBe('invalid_email')
    expect(await addressesOf(ada.id)).toEqual([ada.email])
  })
})

describe('attacks on a code', () => {
  test('a_code_for_address_A_used_for_B', async () => {
    const ada = await person()
    const [a, b] = [address('a'), address('b')]
    const first = must(await security.emails.add(ada.who, a, ada.caller))
    later(31)
    const second = must(await security.emails.add(ada.who, b, ada.caller))
    // The newest code is for B; A's is dead, and neither proves the other address.
    const [codeA, codeB] = [(await newest(a)).codes[0] ?? '', (await newest(b)).codes[0] ?? '']
    expect(refusal(await security.emails.verify(ada.who, first.id, codeB, ada.caller))).toBe('code_wrong')
    if (codeA !== codeB)
      expect(refusal(await security.emails.verify(ada.who, second.id, codeA, ada.caller))).toBe('code_wrong')
    must(await security.emails.verify(ada.who, second.id, codeB, ada.caller))
    expect(await users.find({ email: a })).toBeNull()
  })

  test('a_code_used_in_another_browser_or_by_another_person', async () => {
    const [ada, eve] = [await person(), await person()]
    const email = address()
    const { id } = must(await security.emails.add(ada.who, email, ada.caller))
    const code = (await newest(email)).codes[0] ?? ''
    const elsewhere = await signIn(ada.id)
    expect(refusal(await security.emails.verify(elsewhere, id, code, somewhere()))).toBe('code_wrong')
    expect(refusal(await security.emails.verify(eve.who, id, code, eve.caller))).toBe('not_found')
    const hers = must(await security.emails.add(eve.who, email, eve.caller))
    expect(refusal(await security.emails.verify(eve.who, hers.id, code, eve.caller))).toBe('code_wrong')
    must(await security.emails.verify(ada.who, id, code, ada.caller))
  })

  test('guessing_across_sessions_and_restarts_ends_after_ten', async () => {
    const ada = await person()
    const email = address()
    const { id } = must(await security.emails.add(ada.who, email, ada.caller))
    const seen: (string | null)[] = []
    let seconds = 0
    for (let n = 0; n < 15; n++) {
      if (n % 4 === 3) {
        // A restart loses Redis, and the guesser takes another session and another code.
        await stores.redis().flushdb()
        seconds += 31
        later(seconds)
        await security.emails.resend(ada.who, id, somewhere())
      }
      const code = String(100_000 + n)
      seen.push(refusal(await security.emails.verify(ada.who, id, code, somewhere())))
    }
    expect(seen.slice(10)).toEqual(Array(5).fill('rate_limited'))
    const right = (await newest(email)).codes[0] ?? ''
    expect(refusal(await security.emails.verify(ada.who, id, right, ada.caller))).toBe('rate_limited')
    expect(await users.find({ email })).toBeNull()
  })

  test('a_hundred_guesses_at_once_get_no_more_than_their_tries', async () => {
    const ada = await person()
    const email = address()
    const { id } = must(await security.emails.add(ada.who, email, ada.caller))
    const code = (await newest(email)).codes[0] ?? ''
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, '0')
    await Promise.all(
      Array.from({ length: 40 }, () => security.emails.verify(ada.who, id, wrong, somewhere())),
    )
    expect(refusal(await security.emails.verify(ada.who, id, code, ada.caller))).not.toBeNull()
    expect(await users.find({ email })).toBeNull()
  })

  test('somebody_elses_row_is_not_there', async () => {
    const [ada, eve] = [await person(), await person()]
    const { id } = await proven(ada)
    expect(refusal(await security.emails.resend(eve.who, id, eve.caller))).toBe('not_found')
    expect(refusal(await security.emails.makePrimary(eve.who, id, eve.caller))).toBe('not_found')
    expect(refusal(await security.emails.remove(eve.who, id, eve.caller))).toBe('not_found')
    expect(refusal(await security.emails.verify(eve.who, 'x', '123456', eve.caller))).toBe('not_found')
  })
})

describe('an address that is somebody else’s', () => {
  test('owned_first_then_claimed: looks like any other, its owner is told, no code ever matches', async () => {
    const [ada, eve] = [await person(), await person()]
    const stranger = address('stranger')
    const taken = must(await security.emails.add(eve.who, ada.email, eve.caller))
    const pendingTaken = await security.emails.pending(eve.who, ada.email)
    later(31)
    const free = must(await security.emails.add(eve.who, stranger, eve.caller))
    const pendingFree = await security.emails.pending(eve.who, stranger)
    const life = (p: factors.otp.Pending | null) => p && Math.round((p.expiresAt - p.resendAt) / 1000)
    expect({ ...taken, id: '' }).toEqual({ ...free, id: '' })
    expect(life(pendingTaken)).toBe(life(pendingFree))
    const [told, ...more] = await mails(ada.email)
    expect(more).toEqual([])
    expect(told?.subject).toContain('tried to use your address')
    expect(told?.codes).toEqual([])
    expect(await mails(stranger)).toHaveLength(1)
    const views = (await users.emails.list(eve.id)).filter(({ isPrimary }) => !isPrimary)
    expect(views.map(({ verifiedAt, isPrimary }) => ({ verifiedAt, isPrimary }))).toEqual([
      { verifiedAt: null, isPrimary: false },
      { verifiedAt: null, isPrimary: false },
    ])
    for (const code of ['000000', '123456'])
      expect(refusal(await security.emails.verify(eve.who, taken.id, code, eve.caller))).toBe('code_wrong')
    expect((await users.find({ email: ada.email }))?.id).toBe(ada.id)
    expect(refusal(await security.emails.makePrimary(eve.who, taken.id, eve.caller))).toBe('email_unverified')
  })

  test('claimed_first_then_owned: the claim falls, its code with it', async () => {
    const eve = await person()
    const email = address('victim')
    const { id } = must(await security.emails.add(eve.who, email, eve.caller))
    // Even a claimant who could read the first mail gets nothing once the owner is there.
    const code = (await newest(email)).codes[0] ?? ''
    const victim = await person(email)
    expect(refusal(await security.emails.verify(eve.who, id, code, eve.caller))).toBe('not_found')
    expect(await addressesOf(eve.id)).toEqual([eve.email])
    expect((await users.find({ email }))?.id).toBe(victim.id)
  })

  test('claimed_by_two_who_both_have_a_code: one owns it, the other is refused', async () => {
    const [ada, eve] = [await person(), await person()]
    const email = address()
    const hers = must(await security.emails.add(ada.who, email, ada.caller))
    const codeA = (await newest(email)).codes[0] ?? ''
    const others = must(await security.emails.add(eve.who, email, eve.caller))
    const codeE = (await mails(email)).map(({ codes }) => codes[0] ?? '')[0] ?? ''
    const results = await Promise.all([
      security.emails.verify(ada.who, hers.id, codeA, ada.caller),
      security.emails.verify(eve.who, others.id, codeE, eve.caller),
    ])
    expect(results.filter((r) => r.ok)).toHaveLength(1)
    const { rows } = await stores.sql('SELECT user_id FROM emails WHERE address = $1', [email])
    expect(rows).toHaveLength(1)
  })

  test('flooding_a_recipient_from_many_accounts_and_networks', async () => {
    const ada = await person()
    for (let n = 0; n < 12; n++) {
      const eve = await person()
      const tag = ada.email.replace('@', n % 2 ? '@' : `+${n}@`)
      must(await security.emails.add(eve.who, tag, eve.caller))
    }
    const inbox = await Promise.all(
      [ada.email, ...[0, 2, 4, 6, 8, 10].map((n) => ada.email.replace('@', `+${n}@`))].map(mails),
    )
    expect(inbox.flat().length).toBeGreaterThan(0)
    expect(inbox.flat().length).toBeLessThanOrEqual(5)
  })
})

describe('making an address primary', () => {
  test('is refused before it is proven, told to both, and voids links to a new password', async () => {
    const ada = await person()
    const unproven = must(await security.emails.add(ada.who, address('later'), ada.caller))
    expect(refusal(await security.emails.makePrimary(ada.who, unproven.id, ada.caller))).toBe(
      'email_unverified',
    )
    later(31)
    const second = await proven(ada)
    const reset = await inTx((tx) =>
      factors.links.issue(tx, { purpose: 'password_reset', userId: ada.id, lifeSeconds: 1800 }),
    )
    must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
    expect(await primaryOf(ada.id)).toBe(second.email)
    expect(await factors.links.peek('password_reset', reset)).toBeNull()
    const paths = async (to: string) => (await newest(to)).links.map((url) => new URL(url).pathname)
    expect(await paths(ada.email)).toEqual(['/undo', '/lockdown'])
    expect(await paths(second.email)).toEqual(['/lockdown'])
    // Nothing changes, and nobody is told, when it is the primary already.
    const before = (await mails(ada.email)).length
    must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
    expect(await mails(ada.email)).toHaveLength(before)
  })

  test('nothing is changed when the mail cannot be owed', async () => {
    const ada = await person()
    const second = await proven(ada)
    await stores.sql(`ALTER TABLE deliveries ADD CONSTRAINT no_mail CHECK (kind <> 'mail') NOT VALID`)
    try {
      await expect(security.emails.makePrimary(ada.who, second.id, ada.caller)).rejects.toThrow()
    } finally {
      await stores.sql('ALTER TABLE deliveries DROP CONSTRAINT no_mail')
    }
    expect(await primaryOf(ada.id)).toBe(ada.email)
  })
})

describe('removing an address', () => {
  test('the last proven one and the primary stay', async () => {
    const ada = await person()
    const [only] = await users.emails.list(ada.id)
    expect(refusal(await security.emails.remove(ada.who, only?.id ?? '', ada.caller))).toBe('last_way_back')
    // A claim is no replacement.
    must(await security.emails.add(ada.who, address(), ada.caller))
    expect(refusal(await security.emails.remove(ada.who, only?.id ?? '', ada.caller))).toBe('last_way_back')
    later(31)
    await proven(ada)
    expect(refusal(await security.emails.remove(ada.who, only?.id ?? '', ada.caller))).toBe('primary_stays')
  })

  test('is told to all, the removed one too, which gets no power over the account', async () => {
    const ada = await person()
    const second = await proven(ada)
    must(await security.emails.remove(ada.who, second.id, ada.caller))
    expect(await users.find({ email: second.email })).toBeNull()
    expect((await newest(ada.email)).links.map((url) => new URL(url).pathname)).toEqual(['/lockdown'])
    const told = await newest(second.email)
    expect(told.subject).toContain('An address was removed')
    expect(told.links).toEqual([])
  })

  test('removed_address_ends_what_was_under_way_by_it: trust, sign-ins, links to a new password', async () => {
    const ada = await person()
    const second = await proven(ada)
    await stores.sql(
      `UPDATE devices SET trust_hash = 'x', trusted_until = now() + interval '1 day' WHERE user_id = $1`,
      [ada.id],
    )
    const link = { purpose: 'password_reset', userId: ada.id, lifeSeconds: 60 } as const
    await inTx((tx) => factors.links.issue(tx, { ...link, data: { address: ada.email } }))
    const before = await inTx((tx) => sessions.versionsIn(tx, ada.id))
    must(await security.emails.remove(ada.who, second.id, ada.caller))
    const { rows } = await stores.sql('SELECT trust_hash FROM devices WHERE user_id = $1', [ada.id])
    expect(rows).toEqual([{ trust_hash: null }])
    // Whoever was half-way in begins anew: a session opens at the version of its first proof alone.
    expect(await inTx((tx) => sessions.versionsIn(tx, ada.id))).not.toEqual(before)
    expect(await factors.links.live(ada.id, 'password_reset')).toEqual([])
  })

  test('a claim goes without a word', async () => {
    const ada = await person()
    const { id } = must(await security.emails.add(ada.who, address(), ada.caller))
    const before = (await mails(ada.email)).length
    must(await security.emails.remove(ada.who, id, ada.caller))
    expect(await mails(ada.email)).toHaveLength(before)
  })

  test('two_removals_at_once_leave_one_way_back', async () => {
    const ada = await person()
    const second = await proven(ada)
    const [first] = await users.emails.list(ada.id)
    must(await security.emails.makePrimary(ada.who, second.id, ada.caller))
    await Promise.all([
      security.emails.remove(ada.who, first?.id ?? '', ada.caller),
      security.emails.remove(ada.who, second.id, ada.caller),
    ])
    expect((await users.emails.list(ada.id)).filter(({ verifiedAt }) => verifiedAt)).toHaveLength(1)
  })
})

describe('where a link was opened', () => {
  test('here, elsewhere, signed in or not, or after it is over; looking changes nothing', async () => {
    const ada = await person()
    const email = address()
    const { id } = must(await security.emails.add(ada.who, email, ada.caller))
    for (let n = 0; n < 3; n++) {
      expect(await security.emails.whereOpened(id, ada.who)).toEqual({ at: 'here', address: email })
      expect(await security.emails.whereOpened(id, null)).toEqual({ at: 'elsewhere' })
      expect(await security.emails.whereOpened(id, await signIn(ada.id))).toEqual({ at: 'elsewhere' })
    }
    must(await security.emails.verify(ada.who, id, (await newest(email)).codes[0] ?? '', ada.caller))
    expect(await security.emails.whereOpened(id, ada.who)).toEqual({ at: 'over' })
    expect(await security.emails.whereOpened('no id', null)).toEqual({ at: 'over' })
  })
})

describe('what is told by mail', () => {
  const NOBODYS = '00000000-0000-4000-8000-000000000000'
  const token = { name: 'Nightly export', scopes: [], days: 30 }
  const allow = (burst: string, perMinute: string) => {
    Object.assign(process.env, { LIMIT_REQUESTS_BURST: burst, LIMIT_REQUESTS_PER_MINUTE: perMinute })
    reloadEnv()
  }
  afterEach(() => allow('1000', '100000'))

  test.each([
    ['another primary address', (ada: Someone) => security.emails.makePrimary(ada.who, NOBODYS, ada.caller)],
    ['an address less', (ada: Someone) => security.emails.remove(ada.who, NOBODYS, ada.caller)],
    ['another primary number', (ada: Someone) => security.phones.makePrimary(ada.who, NOBODYS, ada.caller)],
    ['a number less', (ada: Someone) => security.phones.remove(ada.who, NOBODYS, ada.caller)],
    ['a personal access token', (ada: Someone) => security.tokens.make(ada.who, token, ada.caller)],
  ])('spends_the_budget_of_the_network: %s', async (_, change) => {
    const [ada, eve] = [await person(), await person()]
    later(0)
    allow('3', '1')
    const answers: (string | null)[] = []
    for (let n = 0; n < 4; n++) answers.push(refusal(await change(ada)))
    expect(answers.slice(0, 3)).not.toContain('rate_limited')
    expect(answers[3]).toBe('rate_limited')
    // From elsewhere it goes on.
    expect(refusal(await change({ ...ada, caller: somewhere() }))).not.toBe('rate_limited')
    expect(refusal(await change({ ...eve, caller: ada.caller }))).toBe('rate_limited')
  })
})
