/** The end of an account (OPS2, SES4): closed, kept after all, erased; and what a thief or a race makes of it. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import * as factors from '../factors'
import * as recovery from '../recovery'
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
  tokenFor,
} from './people.fixture'

const stores = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => {
  setClock(null)
  under({ CLOSED_ACCOUNT_DAYS: '14' })
})

const under = (env: Record<string, string>) => {
  Object.assign(process.env, env)
  reloadEnv()
}
const DAY = 86_400_000
const later = (ms: number) => {
  const at = Date.now() + ms
  setClock(() => at)
}
const close = (someone: Someone, typed = someone.email) =>
  security.closing.close(someone.who, { address: typed }, someone.caller)
const keepToken = (email: string) => tokenFor(email, 'keep')
const statusOf = async (id: string) => (await users.get(id))?.status
const typesOf = async (id: string) =>
  (await audit.list(id, { limit: 100 })).items.map(({ type }) => type as string)
const open = async (someone: Someone) => [
  await statusOf(someone.id),
  (await sessions.alive(someone.who.sid)) !== null,
]

/** Until a transaction waits for one of another. */
const somebodyWaits = () =>
  expect
    .poll(
      async () =>
        (
          await stores.sql(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
        ).rowCount,
      { interval: 20, timeout: 5000 },
    )
    .toBeGreaterThan(0)

/** A proven number, in no way that a text message would be needed for. */
async function numbered({ id }: Someone): Promise<string> {
  const number = `+49151${String(Math.floor(Math.random() * 1e8)).padStart(8, '0')}`
  await stores.sql(
    `INSERT INTO phones (user_id, number, is_primary, verified_at, updated_at) VALUES ($1, $2, true, now(), now())`,
    [id, number],
  )
  return number
}

describe('closing', () => {
  test('ends every session and token, tells every address, and leaves nobody behind the addresses', async () => {
    const ada = await person()
    const second = await proven(ada)
    const number = await numbered(ada)
    const elsewhere = await signIn(ada.id)
    must(await security.tokens.make(ada.who, { name: 'export', scopes: ['email'], days: 30 }, ada.caller))
    const { eraseAt, canBeKept } = must(await close(ada))
    expect(canBeKept).toBe(true)
    expect(Math.abs(eraseAt.getTime() - Date.now() - 14 * DAY)).toBeLessThan(60_000)

    expect(await sessions.alive(ada.who.sid)).toBeNull()
    expect(await sessions.alive(elsewhere.sid)).toBeNull()
    expect(await users.find({ email: ada.email })).toBeNull()
    expect(await users.find({ email: second.email })).toBeNull()
    expect(await users.phones.ownerOf(number)).toBeNull()
    expect(await users.facts(ada.id)).toBeNull()
    expect(await users.memberships(ada.id)).toBeNull()
    const { rows } = await stores.sql(
      'SELECT count(*)::int AS live FROM personal_access_tokens WHERE user_id = $1 AND revoked_at IS NULL',
      [ada.id],
    )
    expect(rows[0].live).toBe(0)
    for (const to of [ada.email, second.email]) {
      const mail = await newest(to)
      expect(mail.subject).toContain('closed')
      expect(mail.text).toContain('In 14 days')
      expect(mail.links.map((link) => new URL(link).pathname)).toEqual(
        expect.arrayContaining(['/keep', '/lockdown']),
      )
    }
    expect(await typesOf(ada.id)).toContain('user.closed')
    expect((await users.list({ query: ada.email, limit: 5 })).items).toEqual([])
  })

  test('is told in the person’s language, with the day on which everything goes', async () => {
    const ada = await person()
    await stores.sql(`UPDATE users SET locale = 'de' WHERE id = $1`, [ada.id])
    must(await close(ada))
    const { subject, text } = await newest(ada.email)
    expect(subject).toContain('geschlossen')
    expect(text).toContain('In 14 Tagen')
    expect(text).toContain('/keep?token=')
  })

  test('a session whose proof is old closes nothing', async () => {
    const ada = await person()
    later(11 * 60_000)
    expect(refusal(await close(ada))).toBe('proof_required')
    expect(await open(ada)).toEqual(['active', true])
  })

  test('another address than the primary one confirms nothing', async () => {
    const ada = await person()
    const { email } = await proven(ada)
    for (const typed of ['', email, 'nobody', `x${ada.email}`])
      expect(refusal(await close(ada, typed))).toBe('confirmation_wrong')
    expect(await open(ada)).toEqual(['active', true])
    must(await close(ada, ` ${ada.email.toUpperCase()} `))
  })

  test('a request under way of a session that has just ended closes nothing', async () => {
    const ada = await person()
    await sessions.revoke({ userId: ada.id, sid: ada.who.sid }, { reason: 'test' })
    expect(refusal(await close(ada))).toBe('session_required')
    expect(await statusOf(ada.id)).toBe('active')
  })

  test('of two at once one closes, and one mail tells of it', async () => {
    const ada = await person()
    const two = await Promise.all([close(ada), close(ada)])
    expect(two.map(refusal).sort()).toEqual([null, 'session_required'])
    expect((await mails(ada.email)).filter(({ subject }) => subject.includes('closed'))).toHaveLength(1)
  })

  test('a guest has no account to close', async () => {
    const id = uuid()
    await inTx((tx) => users.addGuest(tx, { id, locale: 'en', caller: somewhere() }))
    expect(refusal(await security.closing.closeFor(id, { actor: 'operator' }))).toBe('account_required')
    expect(await statusOf(id)).toBe('active')
  })

  test('links to a new password are over, also in an account that was kept', async () => {
    const ada = await person()
    must(await recovery.forgot({ email: ada.email }, somewhere()))
    const reset = (await newest(ada.email)).links.find((link) => link.includes('/reset'))
    must(await close(ada))
    const token = new URL(reset ?? '').searchParams.get('token') ?? ''
    expect(await recovery.resetView(token)).toBeNull()
    // Nor do they live again in an account that was kept.
    must(await security.closing.keepFor(ada.id, { actor: 'operator' }))
    expect(await recovery.resetView(token)).toBeNull()
  })

  test('a recovery under way is over, also in an account that was kept', async () => {
    const ada = await person()
    must(await recovery.delayed.request({ email: ada.email }, somewhere()))
    await audit.drain()
    const running = async () => {
      const user = await users.get(ada.id)
      return user && (await recovery.running(user))
    }
    expect(await running()).not.toBeNull()
    must(await close(ada))
    must(await security.closing.keepFor(ada.id, { actor: 'operator' }))
    expect(await running()).toBeNull()
  })

  test('no browser is trusted any more, and no picture is shown', async () => {
    const ada = await person()
    const before = await users.get(ada.id)
    const key = 'k'.repeat(35) + uuid().slice(0, 8)
    await stores.sql(
      `INSERT INTO avatars (user_id, key, mime_type, size, bytes) VALUES ($1, $2, 'image/webp', 1, '\\x00')`,
      [ada.id, key],
    )
    expect(await users.avatar(key)).not.toBeNull()
    must(await close(ada))
    expect(await users.avatar(key)).toBeNull()
    must(await security.closing.keepFor(ada.id, { actor: 'operator' }))
    expect(await users.avatar(key)).not.toBeNull()
    expect((await users.get(ada.id))?.factorVersion).toBe((before?.factorVersion ?? 0) + 1)
  })

  test('costs a network what any request costs; keeping does, too', async () => {
    const ada = await person()
    under({ LIMIT_REQUESTS_BURST: '1', LIMIT_REQUESTS_PER_MINUTE: '1' })
    try {
      expect(refusal(await close(ada, 'nobody@example.com'))).toBe('confirmation_wrong')
      expect(refusal(await close(ada))).toBe('rate_limited')
      const caller = somewhere()
      expect(refusal(await security.closing.keep('x'.repeat(43), caller))).toBe('link_over')
      expect(refusal(await security.closing.keep('x'.repeat(43), caller))).toBe('rate_limited')
    } finally {
      under({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
    }
    expect(await statusOf(ada.id)).toBe('active')
  })

  test('a sign-in that had proven everything before gets no session', async () => {
    const ada = await person()
    const versions = await inTx((tx) => sessions.versionsIn(tx, ada.id))
    if (!versions) throw new Error('no versions')
    must(await close(ada))
    const proofs = [{ method: 'password', amr: ['pwd'], at: Date.now() }]
    const caller = somewhere()
    const opening = { userId: ada.id, method: 'password', proofs, caller, versions }
    expect(refusal(await sessions.open(opening))).toBe('account_disabled')
    // Nor does one from before in an account that was kept meanwhile.
    must(await security.closing.keep(await keepToken(ada.email), caller))
    expect(refusal(await sessions.open(opening))).toBe('account_changed')
  })
})

describe('the address of a closed account', () => {
  test('is anybody’s to prove, and whoever does inherits nothing', async () => {
    const ada = await person()
    await users.changeRoles(ada.id, { roles: ['admin'] }, { actor: 'operator' })
    must(await close(ada))
    const next = await person(ada.email)
    expect(next.id).not.toBe(ada.id)
    expect((await users.get(next.id))?.roles).toEqual(['user'])
    expect(await factors.enrolled(next.id)).toMatchObject({ totp: 0, passkeys: 0 })
    expect((await users.find({ email: ada.email }))?.id).toBe(next.id)
    expect(await typesOf(next.id)).not.toContain('user.closed')
  })

  test('keeps no account for whoever had it once it is somebody else’s; the link stays good', async () => {
    const ada = await person()
    must(await close(ada))
    const token = await keepToken(ada.email)
    const next = await person(ada.email)
    expect(refusal(await security.closing.keep(token, somewhere()))).toBe('email_taken')
    expect(await security.closing.peek(token)).toMatchObject({ id: ada.id })
    expect(await statusOf(ada.id)).toBe('deleted')
    expect(await open(next)).toEqual(['active', true])
  })

  test('that somebody else proved is left out where another one keeps the account', async () => {
    const ada = await person()
    const second = await proven(ada)
    const number = await numbered(ada)
    must(await close(ada))
    const token = await keepToken(second.email)
    const next = await person(ada.email)
    await numbered(next)
    await stores.sql(`UPDATE phones SET number = $2 WHERE user_id = $1`, [next.id, number])
    must(await security.closing.keep(token, somewhere()))
    expect(await statusOf(ada.id)).toBe('active')
    expect(await addressesOf(ada.id)).toEqual([second.email])
    expect(await primaryOf(ada.id)).toBe(second.email)
    expect(await users.phones.ownerOf(number)).toBe(next.id)
    expect(await users.phones.list(ada.id)).toEqual([])
  })
})

test('a number that was somebody else’s in between is theirs again who keep their account', async () => {
  const [ada, bob] = [await person(), await person()]
  const number = await numbered(ada)
  must(await close(ada))
  await stores.sql('INSERT INTO phones (user_id, number, updated_at) VALUES ($1, $2, now())', [
    bob.id,
    number,
  ])
  must(await users.phones.verify(null, bob.id, number, bob.caller))
  expect(await users.phones.ownerOf(number)).toBe(bob.id)
  expect(await typesOf(ada.id)).not.toContain('phone.claim_voided')
  await stores.sql('DELETE FROM phones WHERE user_id = $1', [bob.id])
  must(await security.closing.keepFor(ada.id, { actor: 'operator' }))
  expect(await users.phones.ownerOf(number)).toBe(ada.id)
})

describe('what a closed account is kept from', () => {
  test('nobody proves an address for it that would then be nobody’s to use', async () => {
    const email = address()
    const caller = somewhere()
    const { id } = must(
      await inTx((tx) => users.register(tx, { email, verified: false, locale: 'en', caller })),
    )
    must(await security.closing.closeFor(id, { actor: 'operator' }))
    // The code of a sign-up that was under way.
    expect(refusal(await inTx((tx) => users.emails.verify(tx, id, email, caller)))).toBe('not_found')
    expect((await person(email)).id).not.toBe(id)
  })

  test('what is linked in the same instant is unlinked with the rest', async () => {
    const ada = await person()
    let begun = () => {}
    let go = () => {}
    const locked = new Promise<void>((resolve) => {
      begun = resolve
    })
    const released = new Promise<void>((resolve) => {
      go = resolve
    })
    const linking = inTx(async (tx) => {
      await users.lock(tx, ada.id)
      await tx.$executeRaw`
        INSERT INTO auth_providers (user_id, provider, type, provider_account_id)
        VALUES (${ada.id}::uuid, 'acme', 'oidc', ${uuid()})`
      begun()
      await released
    })
    await locked
    const closing = security.closing.closeFor(ada.id, { actor: 'operator' })
    await somebodyWaits()
    go()
    await linking
    must(await closing)
    const { rows } = await stores.sql('SELECT 1 FROM auth_providers WHERE user_id = $1', [ada.id])
    expect(rows).toEqual([])
  })

  test('a recovery that was asked for in the same instant does not run once it is kept', async () => {
    const ada = await person()
    must(await recovery.delayed.request({ email: ada.email }, somewhere()))
    await inTx(async (tx) => {
      await users.lockAccount(tx, ada.id)
      const drained = audit.drain()
      await somebodyWaits()
      must(await users.close(tx, ada.id, new Date(Date.now() + DAY), { actor: 'operator' }))
      return { drained }
    }).then(({ drained }) => drained)
    must(await security.closing.keepFor(ada.id, { actor: 'operator' }))
    const { rows } = await stores.sql('SELECT 1 FROM recovery_requests WHERE user_id = $1', [ada.id])
    expect(rows).toEqual([])
  })
})

describe('keeping', () => {
  test('opens the account with what it had; nobody is signed in by it', async () => {
    const ada = await person()
    const second = await proven(ada)
    const number = await numbered(ada)
    const before = await users.emails.list(ada.id)
    must(await close(ada))
    const token = await keepToken(second.email)
    for (let n = 0; n < 3; n++)
      expect(await security.closing.peek(token)).toMatchObject({ id: ada.id, email: ada.email })
    expect(await statusOf(ada.id)).toBe('deleted')
    must(await security.closing.keep(token, somewhere()))
    expect(await open(ada)).toEqual(['active', false])
    expect(await users.emails.list(ada.id)).toEqual(before)
    expect(await users.phones.ownerOf(number)).toBe(ada.id)
    expect((await factors.enrolled(ada.id)).password).toBe(true)
    expect((await newest(ada.email)).subject).toContain('kept')
    expect(await typesOf(ada.id)).toContain('user.kept')
    later(30 * DAY)
    await users.eraseClosed()
    expect(await statusOf(ada.id)).toBe('active')
  })

  test('works once, by either of the mails; of two at once one does it', async () => {
    const ada = await person()
    must(await close(ada))
    const token = await keepToken(ada.email)
    const two = await Promise.all([1, 2].map(() => security.closing.keep(token, somewhere())))
    expect(two.map(refusal).sort()).toEqual(['link_over', null])
    must(await close({ ...ada, who: await signIn(ada.id) }))
    expect(refusal(await security.closing.keep(token, somewhere()))).toBe('link_over')
    expect(await statusOf(ada.id)).toBe('deleted')
  })

  test('by an operator ends the link of the mail, which is good for no closing that comes later', async () => {
    const ada = await person()
    must(await close(ada))
    const token = await keepToken(ada.email)
    must(await security.closing.keepFor(ada.id, { actor: 'operator' }))
    must(await close({ ...ada, who: await signIn(ada.id) }))
    expect(refusal(await security.closing.keep(token, somewhere()))).toBe('link_over')
  })

  test('a link of another purpose, a made-up one and none keep nothing', async () => {
    const ada = await person()
    must(await close(ada))
    const lockdown = await tokenFor(ada.email, 'lockdown')
    for (const token of [lockdown, 'x'.repeat(43), ''])
      expect(refusal(await security.closing.keep(token, somewhere()))).toBe('link_over')
    expect(await statusOf(ada.id)).toBe('deleted')
  })

  test('takes what it has again from everybody who only claims it', async () => {
    const ada = await person()
    const number = await numbered(ada)
    must(await close(ada))
    const token = await keepToken(ada.email)
    const caller = somewhere()
    const { id: trap } = must(
      await inTx((tx) => users.register(tx, { email: ada.email, verified: false, locale: 'en', caller })),
    )
    const before = await users.get(trap)
    const bob = await person()
    must(await inTx((tx) => users.emails.claim(tx, bob.id, ada.email, caller)))
    await stores.sql('INSERT INTO phones (user_id, number, updated_at) VALUES ($1, $2, now())', [
      bob.id,
      number,
    ])
    must(await security.closing.keep(token, caller))
    expect(await addressesOf(trap)).toEqual([])
    // Whoever never proved any address may have been waiting there for its owner (LNK3).
    expect((await users.get(trap))?.sessionVersion).toBe((before?.sessionVersion ?? 0) + 1)
    expect(await addressesOf(bob.id)).toEqual([bob.email])
    expect(await users.phones.list(bob.id)).toEqual([])
    expect(await typesOf(bob.id)).toEqual(
      expect.arrayContaining(['email.claim_voided', 'phone.claim_voided']),
    )
  })

  test('leaves those who would vouch for them', async () => {
    const [ada, friend] = [await person(), await person()]
    await stores.sql(
      `INSERT INTO trusted_contacts (user_id, contact_id, created_at) VALUES ($1, $2, now() - interval '90 days')`,
      [ada.id, friend.id],
    )
    must(await close(ada))
    must(await security.closing.keep(await keepToken(ada.email), somewhere()))
    expect(await recovery.contacts.list(ada.id)).toMatchObject([{ id: friend.id, counts: true }])
  })

  test('who closed their account vouches for nobody', async () => {
    const [ada, friend] = [await person(), await person()]
    await stores.sql(
      `INSERT INTO trusted_contacts (user_id, contact_id, created_at) VALUES ($1, $2, now() - interval '90 days')`,
      [ada.id, friend.id],
    )
    must(await close(friend))
    expect(await recovery.contacts.list(ada.id)).toMatchObject([{ id: friend.id, counts: false }])
    expect(await recovery.contacts.vouchers(ada.id, new Date())).toEqual([])
  })

  test('is over when the day has come, by every link, though nothing is erased yet; not for an operator', async () => {
    const ada = await person()
    const theirs = await proven(ada)
    must(await security.emails.makePrimary(ada.who, theirs.id, ada.caller))
    const undo = await tokenFor(ada.email, 'undo')
    must(await close(ada, theirs.email))
    const mail = await newest(theirs.email)
    const [keep, lockdown] = [await tokenFor('', 'keep', mail), await tokenFor('', 'lockdown', mail)]
    await users.eraseNow(ada.id)
    expect(await security.closing.peek(keep)).toBeNull()
    expect(await security.lockdown.peek(lockdown)).toBeNull()
    expect(await security.emailChange.peek(undo)).toBeNull()
    expect(refusal(await security.closing.keep(keep, somewhere()))).toBe('link_over')
    expect(refusal(await security.lockdown.lockDown(lockdown, somewhere()))).toBe('link_over')
    expect(refusal(await security.emailChange.undo(undo, somewhere()))).toBe('link_over')
    expect(await statusOf(ada.id)).toBe('deleted')
    must(await security.closing.keepFor(ada.id, { actor: 'operator' }))
    expect(await statusOf(ada.id)).toBe('active')
  })

  test('who had been disabled is disabled again', async () => {
    const ada = await person()
    must(await users.disable(ada.id, { actor: 'operator' }))
    must(await security.closing.closeFor(ada.id, { actor: 'operator' }))
    must(await security.closing.keep(await keepToken(ada.email), somewhere()))
    expect(await statusOf(ada.id)).toBe('disabled')
    expect(refusal(await security.closing.keepFor(ada.id, { actor: 'operator' }))).toBe('not_found')
  })
})

describe('a thief who closes the account to be rid of its owner', () => {
  test('a “this wasn’t me” of before keeps and locks it', async () => {
    const ada = await person()
    await inTx((tx) => security.tellSecurity(tx, ada.id, 'new_device', somewhere()))
    const token = await tokenFor(ada.email, 'lockdown')
    const thief = { ...ada, who: await signIn(ada.id) }
    must(await close(thief))
    must(await security.lockdown.lockDown(token, somewhere()))
    expect(await statusOf(ada.id)).toBe('active')
    expect((await users.get(ada.id))?.lockedDownAt).not.toBeNull()
    expect(await primaryOf(ada.id)).toBe(ada.email)
    expect(refusal(await security.closing.keep(await keepToken(ada.email), somewhere()))).toBe('link_over')
  })

  test('does not where all its addresses are somebody else’s by now, and the link stays good', async () => {
    const ada = await person()
    must(await close(ada))
    const token = await tokenFor(ada.email, 'lockdown')
    await person(ada.email)
    expect(refusal(await security.lockdown.lockDown(token, somewhere()))).toBe('email_taken')
    expect(await statusOf(ada.id)).toBe('deleted')
    expect(await security.lockdown.peek(token)).not.toBeNull()
  })

  test('and the link that the thief got keeps no account that its owner closes later', async () => {
    const ada = await person()
    await inTx((tx) => security.tellSecurity(tx, ada.id, 'new_device', somewhere()))
    const token = await tokenFor(ada.email, 'lockdown')
    const theirs = await proven(ada, address('thief'))
    must(await close(ada))
    const stolen = await keepToken(theirs.email)
    must(await security.lockdown.lockDown(token, somewhere()))
    expect(await addressesOf(ada.id)).toEqual([ada.email])
    must(await security.closing.closeFor(ada.id, { actor: 'operator' }))
    expect(await security.closing.peek(stolen)).toBeNull()
    expect(refusal(await security.closing.keep(stolen, somewhere()))).toBe('link_over')
    expect(await statusOf(ada.id)).toBe('deleted')
  })

  test('the old address takes the change back though the thief made it theirs, removed it and closed', async () => {
    const ada = await person()
    const theirs = await proven(ada, address('thief'))
    must(await security.emails.makePrimary(ada.who, theirs.id, ada.caller))
    const token = await tokenFor(ada.email, 'undo')
    const [old] = (await users.emails.list(ada.id)).filter((one) => one.address === ada.email)
    must(await security.emails.remove(ada.who, old?.id ?? '', ada.caller))
    must(await close(ada, theirs.email))
    must(await security.emailChange.undo(token, somewhere()))
    expect(await statusOf(ada.id)).toBe('active')
    expect(await addressesOf(ada.id)).toEqual([ada.email])
    // The thief's own link keeps nothing that was not the owner's any more.
    expect(refusal(await security.closing.keep(await keepToken(theirs.email), somewhere()))).toBe('link_over')
  })

  test('so it does when the thief has registered what was left of it anew', async () => {
    const ada = await person()
    const theirs = await proven(ada, address('thief'))
    must(await security.emails.makePrimary(ada.who, theirs.id, ada.caller))
    const token = await tokenFor(ada.email, 'undo')
    const [old] = (await users.emails.list(ada.id)).filter((one) => one.address === ada.email)
    must(await security.emails.remove(ada.who, old?.id ?? '', ada.caller))
    must(await close(ada, theirs.email))
    await person(theirs.email)
    must(await security.emailChange.undo(token, somewhere()))
    expect(await statusOf(ada.id)).toBe('active')
    expect(await addressesOf(ada.id)).toEqual([ada.email])
  })
})

describe('erasing', () => {
  /** Every table of which a row, as text, holds this. */
  async function holding(needle: string): Promise<string[]> {
    const { rows } = await stores.sql(
      `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
       WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    )
    const found: string[] = []
    for (const { name } of rows) {
      const quoted = name.replace('.', '"."')
      const { rows: hits } = await stores.sql(
        `SELECT count(*)::int AS n FROM "${quoted}" t WHERE strpos(lower(t::text), lower($1)) > 0`,
        [needle],
      )
      if (hits[0].n > 0) found.push(name.replace('public.', ''))
    }
    return found.sort()
  }

  async function full() {
    const ada = await person()
    const marks = {
      first: `Aurelia${uuid().slice(0, 8)}`,
      agent: `Browser-${uuid()}`,
      note: `note-${uuid()}`,
      subject: `subject-${uuid()}`,
    }
    must(await users.profile.update(ada.id, { firstName: marks.first }, ada.caller))
    must(await users.metadata.set(ada.id, { note: marks.note }, { actor: 'operator' }))
    const second = await proven(ada)
    const number = await numbered(ada)
    await signIn(ada.id, { ...somewhere(), ip: '203.0.113.77', userAgent: marks.agent })
    must(await security.tokens.make(ada.who, { name: marks.note, scopes: ['email'], days: 30 }, ada.caller))
    await stores.sql(
      `INSERT INTO auth_providers (user_id, provider, type, provider_account_id, email) VALUES ($1, 'acme', 'oidc', $2, $3)`,
      [ada.id, marks.subject, ada.email],
    )
    return { ada, needles: [ada.email, second.email, number, ...Object.values(marks)] }
  }

  test('leaves nothing of a person in any table but the event that says so', async () => {
    const { ada, needles } = await full()
    for (const needle of needles) expect([needle, (await holding(needle)).length > 0]).toEqual([needle, true])
    must(await close(ada))
    await audit.drain()
    later(15 * DAY)
    await users.eraseClosed()
    for (const needle of needles) expect([needle, await holding(needle)]).toEqual([needle, []])
    expect(await holding(ada.id)).toEqual(['event_anchors', 'event_heads', 'events'])
    const { rows } = await stores.sql('SELECT type, ip, user_agent, data FROM events WHERE user_id = $1', [
      ada.id,
    ])
    expect(rows).toEqual([{ type: 'user.deleted', ip: null, user_agent: null, data: {} }])
    expect(await users.get(ada.id)).toBeNull()
    expect(await users.findClosed(ada.id)).toBeNull()
    // What is left of the chain still proves that it was not shortened by anybody else.
    expect(await audit.verify(ada.id)).toMatchObject({ events: 1, problems: [] })
  })

  test('comes on its day and not before', async () => {
    const ada = await person()
    must(await close(ada))
    await audit.drain()
    later(14 * DAY - 60_000)
    await users.eraseClosed()
    expect(await statusOf(ada.id)).toBe('deleted')
    later(14 * DAY + 60_000)
    await users.eraseClosed()
    expect(await users.get(ada.id)).toBeNull()
    expect(refusal(await security.closing.keepFor(ada.id, { actor: 'operator' }))).toBe('not_found')
  })

  test('waits for the mail that says so', async () => {
    under({ CLOSED_ACCOUNT_DAYS: '0' })
    const ada = await person()
    expect(must(await close(ada)).canBeKept).toBe(false)
    await users.eraseClosed()
    expect(await statusOf(ada.id)).toBe('deleted')
    const mail = await newest(ada.email)
    expect(mail.text).toContain('will now be deleted')
    // Nothing keeps it, so nothing says that it would.
    expect(mail.links.filter((link) => /keep|lockdown/.test(link))).toEqual([])
    await users.eraseClosed()
    expect(await users.get(ada.id)).toBeNull()
  })

  test('of keeping and erasing at once one wins, whole', async () => {
    for (let n = 0; n < 8; n++) {
      const ada = await person()
      must(await close(ada))
      await audit.drain()
      await users.eraseNow(ada.id)
      const [kept] = await Promise.all([
        security.closing.keepFor(ada.id, { actor: 'operator' }),
        ...[1, 2].map(() => users.eraseClosed()),
      ])
      const status = await statusOf(ada.id)
      expect(kept.ok ? 'active' : undefined).toBe(status)
      const left = await typesOf(ada.id)
      expect(left.includes('user.registered')).toBe(kept.ok)
    }
  })

  test('of one who cannot go today goes on with the others', async () => {
    const [ada, bob] = [await person(), await person()]
    for (const someone of [ada, bob]) must(await close(someone))
    await audit.drain()
    for (const { id } of [ada, bob]) await users.eraseNow(id)
    let go = () => {}
    const held = inTx(async (tx) => {
      await users.lockAccount(tx, ada.id)
      await new Promise<void>((resolve) => {
        go = resolve
      })
    })
    await users.eraseClosed()
    expect(await statusOf(ada.id)).toBe('deleted')
    expect(await users.get(bob.id)).toBeNull()
    expect(await typesOf(bob.id)).toEqual(['user.deleted'])
    go()
    await held
    await users.eraseClosed()
    expect(await users.get(ada.id)).toBeNull()
  })

  test('takes a history of years along', async () => {
    const ada = await person()
    must(await close(ada))
    await audit.drain()
    for (let n = 0; n < 30; n++)
      await stores.sql(
        `INSERT INTO events (type, user_id, data) SELECT 'token.issued', $1, '{}' FROM generate_series(1, 1000)`,
        [ada.id],
      )
    await users.eraseNow(ada.id)
    await users.eraseClosed()
    expect(await users.get(ada.id)).toBeNull()
    expect(await typesOf(ada.id)).toEqual(['user.deleted'])
    expect(await audit.verify(ada.id)).toMatchObject({ events: 1, problems: [] })
  }, 120_000)

  test('an operator brings the day forward, of closed accounts alone', async () => {
    const [ada, bob] = [await person(), await person()]
    expect(await users.eraseNow(bob.id)).toBe(false)
    must(await close(ada))
    await audit.drain()
    expect(await users.listClosed(1000)).toContainEqual(
      expect.objectContaining({ id: ada.id, email: ada.email }),
    )
    expect(await users.findClosed(ada.email)).toMatchObject({ id: ada.id })
    expect(await users.eraseNow(ada.id)).toBe(true)
    await users.eraseClosed()
    expect(await users.get(ada.id)).toBeNull()
    expect(await statusOf(bob.id)).toBe('active')
  })
})

describe('the history', () => {
  const denied = { code: '42501' }

  test('of somebody who is there can be forgotten by nobody, not with an event that says they are gone', async () => {
    const ada = await person()
    await audit.record(null, { type: 'user.deleted', userId: ada.id, actor: 'system' })
    const count = async () =>
      (await stores.sql('SELECT count(*)::int AS n FROM events WHERE user_id = $1', [ada.id])).rows[0].n
    const before = await count()
    const { rows } = await stores.sql('SELECT events_forget($1, 1000) AS gone', [ada.id])
    expect(rows[0].gone).toBe(0)
    await expect(stores.sql('DELETE FROM events WHERE user_id = $1', [ada.id])).rejects.toMatchObject(denied)
    await expect(
      stores.sql(
        `INSERT INTO event_anchors (user_id, seq, hash, at, cut_at)
         SELECT user_id, seq, hash, at, now() FROM events WHERE user_id = $1 AND seq = 1`,
        [ada.id],
      ),
    ).rejects.toMatchObject(denied)
    expect(await count()).toBe(before)
  })

  test('of somebody who is gone goes up to the event that says so, which stays', async () => {
    const ada = await person()
    must(await close(ada))
    await audit.drain()
    await users.eraseNow(ada.id)
    await users.eraseClosed()
    await expect(stores.sql('DELETE FROM events WHERE user_id = $1', [ada.id])).rejects.toMatchObject(denied)
    await stores.sql('SELECT events_forget($1, 1000)', [ada.id])
    expect(await typesOf(ada.id)).toEqual(['user.deleted'])
  })

  test('without such an event stays whole, though its person is gone', async () => {
    const ada = await person()
    await stores.sql('DELETE FROM users WHERE id = $1', [ada.id])
    const { rows } = await stores.sql('SELECT events_forget($1, 1000) AS gone', [ada.id])
    expect(rows[0].gone).toBe(0)
    await expect(stores.sql('DELETE FROM events WHERE user_id = $1', [ada.id])).rejects.toMatchObject(denied)
  })
})
