import { beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import * as factors from '../factors'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as security from './index'
import { codeOf, mails, must, newest, person, refusal, signIn } from './people.fixture'

const { sql } = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
const by = { actor: 'operator', reason: 'lost the phone, seen in person' }

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})

/** Somebody with an authenticator app, a passkey, a security key and backup codes. */
async function equipped() {
  const someone = await person()
  const { secret } = must(await security.authenticators.begin(someone.who, someone.caller))
  must(
    await security.authenticators.confirm(
      someone.who,
      { code: codeOf(secret), name: 'Phone' },
      someone.caller,
    ),
  )
  await inTx((tx) => factors.backupCodes.generate(tx, someone.id, someone.caller))
  for (const kind of ['passkey', 'security_key']) {
    await sql(
      `INSERT INTO passkey_credentials (user_id, credential_id, public_key, algorithm, device_type, kind, nickname)
       VALUES ($1, $2, '\\x00', -7, 'singleDevice', $3::passkey_kind, 'Key')`,
      [someone.id, Buffer.from(uuid()), kind],
    )
  }
  return someone
}

describe('an operator removes the second factors of a person', () => {
  test('all at once, with the sessions, and tells the person; the password stays', async () => {
    const ada = await equipped()
    const elsewhere = await signIn(ada.id)
    const done = must(await security.resetFactors(ada.id, by))
    expect(done).toEqual({
      removed: { totp: 1, passkeys: 1, securityKeys: 1, backupCodes: 10 },
      sessionsRevoked: 2,
    })
    expect(await factors.enrolled(ada.id)).toEqual({
      password: true,
      totp: 0,
      passkeys: 0,
      securityKeys: 0,
      backupCodes: 0,
    })
    expect(await sessions.alive(elsewhere.sid)).toBeNull()
    expect((await newest(ada.email)).subject).toContain('Your second factors were removed')
    const { rows } = await sql(
      `SELECT actor, data FROM events WHERE user_id = $1 AND type = 'factors.reset'`,
      [ada.id],
    )
    expect(rows).toMatchObject([{ actor: 'operator', data: { removed: { totp: 1 }, reason: by.reason } }])
  })

  test('no browser that was trusted stays so', async () => {
    const ada = await equipped()
    await sql(
      `UPDATE devices SET trust_hash = 'x', trusted_until = now() + interval '1 day' WHERE user_id = $1`,
      [ada.id],
    )
    must(await security.resetFactors(ada.id, by))
    const { rows } = await sql('SELECT trust_hash, trusted_until FROM devices WHERE user_id = $1', [ada.id])
    expect(rows).toEqual([{ trust_hash: null, trusted_until: null }])
  })

  test('of two at once, one does it and one mail goes out', async () => {
    const ada = await equipped()
    const both = await Promise.all([1, 2].map(() => security.resetFactors(ada.id, by)))
    expect(both.map(refusal).sort()).toEqual(['not_found', null])
    const notices = (await mails(ada.email)).filter(({ subject }) => subject.includes('were removed'))
    expect(notices).toHaveLength(1)
  })

  test('who has none, or is nobody, is not signed out for nothing', async () => {
    const ada = await person()
    expect(refusal(await security.resetFactors(ada.id, by))).toBe('not_found')
    expect(await sessions.alive(ada.who.sid)).not.toBeNull()
    expect(refusal(await security.resetFactors(uuid(), by))).toBe('not_found')
  })
})
