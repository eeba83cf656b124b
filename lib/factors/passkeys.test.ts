import { beforeEach, describe, expect, test } from 'vitest'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { key } from '../base/keys'
import type { Result } from '../base/refusals'
import { testCaller, useStores } from '../testing'
import { Authenticator, type Bend, EDDSA, RS256 } from '../testing/authenticator'
import { enrolled, passkeys } from './index'

const stores = useStores()
const caller = testCaller()

let at = Date.now()
beforeEach(() => setClock(() => at))

async function newUser(): Promise<string> {
  const id = uuid()
  await stores.sql("INSERT INTO users (id, status) VALUES ($1, 'active')", [id])
  return id
}

const name = 'ada@example.com'
const asking = (binding = 'session', kind: passkeys.PasskeyKind = 'passkey') => ({
  name,
  displayName: 'Ada',
  kind,
  binding,
})

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`refused: ${result.refusal.code}`)
  return result.value
}
const codeOf = (result: Result<unknown>) => (result.ok ? 'ok' : result.refusal.code)

const register = (userId: string, response: unknown, binding = 'session', nickname?: string) =>
  inTx((tx) => passkeys.register(tx, userId, { response, binding, nickname }, caller))

/** A user who has added a passkey (or key) of this device. */
async function owner(device = new Authenticator('synced'), kind: passkeys.PasskeyKind = 'passkey') {
  const userId = await newUser()
  const options = await passkeys.registrationOptions(userId, asking('session', kind))
  const passkey = must(await register(userId, device.create(options)))
  return { userId, device, passkey }
}

/** One whole sign-in by passkey alone. */
async function signIn(device: Authenticator, bend: Bend = {}, flow = uuid()) {
  const options = await passkeys.authenticationOptions({ flow, use: 'first' })
  return await passkeys.authenticate({ flow, use: 'first', response: device.get(options, bend) }, caller)
}

/** One whole proof beside another. */
async function second(
  device: Authenticator,
  userId: string,
  bend: Bend = {},
  asked: { kinds?: passkeys.PasskeyKind[]; verified?: boolean } = {},
) {
  const [flow, use] = [uuid(), 'second' as const]
  const options = await passkeys.authenticationOptions({ flow, use, userId, ...asked })
  return await passkeys.authenticate({ flow, use, userId, response: device.get(options, bend) }, caller)
}

const events = async (userId: string) =>
  (await stores.sql('SELECT type, outcome, data FROM events WHERE user_id = $1 ORDER BY id', [userId]))
    .rows as { type: string; outcome: string; data: Record<string, unknown> }[]

const withByte = (bytes: Buffer, at: number, change: (byte: number) => number) =>
  Buffer.from(bytes.map((byte, i) => (i === at ? change(byte) : byte)))
/** WebAuthn section 6.1: the flags are byte 32. */
const withFlags = (authData: Buffer, change: (flags: number) => number) => withByte(authData, 32, change)

describe('adding a passkey', () => {
  test('asks for one that needs no name and verifies its user, without attestation', async () => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    expect(options).toMatchObject({
      rp: { id: 'localhost' },
      attestation: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      excludeCredentials: [],
      timeout: 300_000,
    })
    expect(options.pubKeyCredParams.map((p) => p.alg)).toEqual([-8, -7, -257])
    // PK6: random, and nothing of the person's.
    expect(Buffer.from(options.user.id, 'base64url')).toHaveLength(16)
    expect(options.user.id).not.toBe(Buffer.from(userId.replaceAll('-', ''), 'hex').toString('base64url'))
    expect(Buffer.from(options.challenge, 'base64url').length).toBeGreaterThanOrEqual(16)
  })

  test('asks for a security key on another device, with a touch and no place in its memory', async () => {
    const options = await passkeys.registrationOptions(await newUser(), asking('s', 'security_key'))
    expect(options.authenticatorSelection).toMatchObject({
      authenticatorAttachment: 'cross-platform',
      residentKey: 'discouraged',
      userVerification: 'discouraged',
    })
    expect(options.hints).toEqual(['security-key'])
  })

  test('keeps what it is, by whom it is kept, and says so in the history', async () => {
    const userId = await newUser()
    const phone = new Authenticator('synced', { aaguid: 'fbfc3007-154e-4ecc-8c0b-6e020557d7bd' })
    const options = await passkeys.registrationOptions(userId, asking())
    const made = must(await register(userId, JSON.stringify(phone.create(options))))
    expect(made).toMatchObject({
      kind: 'passkey',
      nickname: 'iCloud Keychain',
      provider: { name: 'iCloud Keychain', icon: 'manager' },
      synced: true,
      lastUsedAt: null,
      transports: ['hybrid', 'internal'],
      userVerified: true,
    })
    const { userVerified: _, userPresent: __, ...row } = made
    expect(await passkeys.list(userId)).toEqual([row])
    expect(made.credentialId).toBe(phone.credentials[0]?.id)
    expect(await enrolled(userId)).toMatchObject({ passkeys: 1, securityKeys: 0 })
    expect(await events(userId)).toMatchObject([
      { type: 'passkey.added', data: { name: 'iCloud Keychain', kind: 'passkey', synced: true } },
    ])
  })

  test('a key without a PIN is a security key, never a passkey', async () => {
    const key = new Authenticator('key')
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    expect(() => key.create(options)).toThrow('cannot verify')
    const made = await passkeys.registrationOptions(userId, asking('session', 'security_key'))
    expect(must(await register(userId, key.create(made)))).toMatchObject({
      kind: 'security_key',
      synced: false,
      nickname: '',
      userVerified: false,
    })
    expect(await enrolled(userId)).toMatchObject({ passkeys: 0, securityKeys: 1 })
  })

  test('one made beside a password shows neither presence nor user, and only such a one may', async () => {
    const userId = await newUser()
    const quiet = { up: false, uv: false }
    const device = new Authenticator('synced')
    const offered = await passkeys.registrationOptions(userId, { ...asking(), conditional: true })
    expect(offered.authenticatorSelection?.userVerification).toBe('preferred')
    expect(must(await register(userId, device.create(offered, quiet)))).toMatchObject({
      userVerified: false,
      userPresent: false,
    })
    const asked = await passkeys.registrationOptions(userId, asking())
    expect(codeOf(await register(userId, new Authenticator().create(asked, quiet)))).toBe('passkey_invalid')
    // A security key is never made so.
    const asKey = { ...asking('session', 'security_key'), conditional: true }
    const key = await passkeys.registrationOptions(userId, asKey)
    expect(codeOf(await register(userId, new Authenticator('key').create(key, quiet)))).toBe(
      'passkey_invalid',
    )
  })

  test.each([
    ['a name', 'My phone ', 'My phone'],
    ['a name with control characters', 'My\u0000\u202e phone\n', 'My phone'],
    ['no name', undefined, ''],
  ])('%s', async (_, given, kept) => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    const made = must(await register(userId, new Authenticator().create(options), 'session', given))
    expect(made.nickname).toBe(kept)
  })

  test('a name that is too long costs no challenge', async () => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    const response = new Authenticator().create(options)
    expect(codeOf(await register(userId, response, 'session', 'x'.repeat(41)))).toBe('invalid_input')
    expect(codeOf(await register(userId, response, 'session', 'x'.repeat(40)))).toBe('ok')
  })

  test('EdDSA and RSA keys are taken, and used', async () => {
    for (const alg of [EDDSA, RS256] as const) {
      const { device, userId } = await owner(new Authenticator('synced', { alg }))
      expect(must(await signIn(device)).userId).toBe(userId)
    }
  })
})

describe('attacks on adding a passkey', () => {
  const bent: [string, Bend][] = [
    ['another challenge', { challenge: Buffer.alloc(32, 7).toString('base64url') }],
    ['an empty challenge', { challenge: '' }],
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['another port of the origin', { origin: 'http://localhost:3001' }],
    ['an origin that begins like ours', { origin: 'http://localhost:3000.evil.example' }],
    ['the type of a sign-in', { type: 'webauthn.get' }],
    ['a frame of a foreign page', { crossOrigin: true, topOrigin: 'https://evil.example' }],
    ['a frame, without saying whose', { crossOrigin: true }],
    ['a top origin alone', { topOrigin: 'http://localhost:3000' }],
    ['crossOrigin as a text', { clientData: (d) => ({ ...d, crossOrigin: 'true' }) }],
    ['client data that is no object', { clientData: () => [] as never }],
    ['another RP ID', { rpId: 'evil.example' }],
    ['nobody present', { up: false }],
    ['a user not verified', { uv: false }],
    ['backed up but not eligible', { be: false, bs: true }],
    ['an algorithm not asked for', { alg: -35 }],
    ['a key that is none of its algorithm', { alg: -257 }],
    ['a key of another curve', { coseKey: (k) => k.set(-1, 2) }],
    ['a key that is cut short', { coseKey: (k) => k.set(-2, Buffer.alloc(31, 1)) }],
    ['a key without its other half', { coseKey: (k) => new Map([...k].filter(([label]) => label !== -3)) }],
    [
      'an RSA key that is too short',
      {
        coseKey: () =>
          new Map<number, unknown>([
            [1, 3],
            [3, -257],
            [-1, Buffer.alloc(128, 0xff)],
            [-2, Buffer.from([1, 0, 1])],
          ]),
      },
    ],
    ['another id than the attested one', { rawId: 'AAAA' }],
    ['bytes after the signed data', { authData: (b) => Buffer.concat([b, Buffer.from([0])]) }],
    ['authenticator data cut short', { authData: (b) => b.subarray(0, 60) }],
    ['no attested credential', { authData: (b) => withFlags(b, (f) => f & ~0x40).subarray(0, 37) }],
    ['none attestation with a statement', { attStmt: new Map([['x', 1]]) }],
    ['an attestation nobody asked for', { fmt: 'fido-u2f' }],
    ['a format that does not exist', { fmt: 'nonsense' }],
    [
      'a certificate',
      {
        fmt: 'packed',
        attStmt: new Map<string, unknown>([
          ['alg', -7],
          ['sig', Buffer.alloc(70)],
          ['x5c', [Buffer.alloc(9)]],
        ]),
      },
    ],
    [
      'a self attestation that is wrong',
      {
        fmt: 'packed',
        attStmt: new Map<string, unknown>([
          ['alg', -7],
          ['sig', Buffer.alloc(70)],
        ]),
      },
    ],
    ['another type of credential', { credentialType: 'password' }],
  ]
  test.each(bent)('%s_is_refused', async (_, bend) => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    expect(codeOf(await register(userId, new Authenticator().create(options, bend)))).toBe('passkey_invalid')
    expect(await passkeys.list(userId)).toEqual([])
  })

  test('the_id_outside_must_be_the_signed_one', async () => {
    const { passkey: victim } = await owner()
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    const response = new Authenticator().create(options)
    const lie = { ...response, id: victim.credentialId, rawId: victim.credentialId }
    expect(codeOf(await register(userId, lie))).toBe('passkey_invalid')
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['no JSON', '{'],
    ['a list', []],
    ['an empty object', {}],
    ['a number for a text', { id: 1, rawId: 1, type: 'public-key', response: {} }],
    ['a megabyte', { id: 'A'.repeat(1_000_000) }],
  ])('%s_is_refused', async (_, response) => {
    const userId = await newUser()
    await passkeys.registrationOptions(userId, asking())
    expect(codeOf(await register(userId, response))).toBe('passkey_invalid')
  })

  test('a_challenge_answered_once_is_spent_also_by_a_wrong_answer', async () => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    const right = new Authenticator().create(options)
    expect(codeOf(await register(userId, {}))).toBe('passkey_invalid')
    expect(codeOf(await register(userId, right))).toBe('passkey_expired')
  })

  test('the_same_answer_sent_twenty_times_at_once_adds_one', async () => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    const response = new Authenticator().create(options)
    const all = await Promise.all(Array.from({ length: 20 }, () => register(userId, response)))
    expect(all.map(codeOf).sort()).toEqual(['ok', ...Array(19).fill('passkey_expired')])
  })

  test('an_answer_of_another_session_or_attempt', async () => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking('mine'))
    expect(codeOf(await register(userId, new Authenticator().create(options), 'stolen'))).toBe(
      'passkey_expired',
    )
  })

  test('a_challenge_of_another_user', async () => {
    const [ada, eve] = [await newUser(), await newUser()]
    const options = await passkeys.registrationOptions(eve, asking())
    expect(codeOf(await register(ada, new Authenticator().create(options)))).toBe('passkey_expired')
    // With a challenge of her own waiting, the other's is still none.
    await passkeys.registrationOptions(ada, asking())
    expect(codeOf(await register(ada, new Authenticator().create(options)))).toBe('passkey_invalid')
  })

  test('a_challenge_of_five_minutes_ago', async () => {
    const userId = await newUser()
    const options = await passkeys.registrationOptions(userId, asking())
    at += 300_000
    expect(codeOf(await register(userId, new Authenticator().create(options)))).toBe('passkey_expired')
  })

  test('an_older_challenge_dies_with_the_next', async () => {
    const userId = await newUser()
    const old = await passkeys.registrationOptions(userId, asking())
    await passkeys.registrationOptions(userId, asking())
    expect(codeOf(await register(userId, new Authenticator().create(old)))).toBe('passkey_invalid')
  })

  test('a_sign_in_answers_no_registration_and_the_other_way_round', async () => {
    const { device, userId } = await owner()
    const options = await passkeys.registrationOptions(userId, asking())
    const signed = device.get({ challenge: options.challenge, rpId: 'localhost' })
    expect(codeOf(await register(userId, signed))).toBe('passkey_invalid')
    const flow = uuid()
    const wanted = await passkeys.authenticationOptions({ flow, use: 'first' })
    const made = new Authenticator().create({
      ...options,
      challenge: wanted.challenge,
      excludeCredentials: [],
    })
    expect(codeOf(await passkeys.authenticate({ flow, use: 'first', response: made }, caller))).toBe(
      'passkey_invalid',
    )
  })

  test('a_credential_of_somebody_else_cannot_be_added_by_a_second_person', async () => {
    const { device, passkey, userId: ada } = await owner()
    const eve = await newUser()
    const options = await passkeys.registrationOptions(eve, asking())
    // Eve's authenticator claims Ada's credential id for a key of its own.
    const response = new Authenticator().create(options, { id: passkey.credentialId })
    expect(codeOf(await register(eve, response))).toBe('passkey_exists')
    expect(must(await signIn(device)).userId).toBe(ada)
  })

  test('one_device_is_not_added_twice', async () => {
    const { device, userId } = await owner()
    const options = await passkeys.registrationOptions(userId, asking())
    expect(() => device.create(options)).toThrow('has a credential of that list')
  })

  test('nobody_has_more_than_twenty_also_with_two_at_once', async () => {
    const userId = await newUser()
    for (let n = 0; n < passkeys.MAX_PASSKEYS - 1; n++) {
      const options = await passkeys.registrationOptions(userId, asking())
      must(await register(userId, new Authenticator().create(options)))
    }
    // Two transactions that both have a live challenge: each takes its own before the other is made.
    const both = await Promise.all(
      ['a', 'b'].map((one) =>
        inTx(async (tx) => {
          const store = await import('./store-passkeys')
          const id = Buffer.from(`${one}${uuid()}`)
          return await store.insertPasskey(
            tx,
            userId,
            {
              credentialId: id,
              publicKey: id,
              algorithm: -7,
              counter: 0,
              deviceType: 'singleDevice',
              backedUp: false,
              transports: [],
              aaguid: uuid(),
              kind: 'passkey',
              nickname: one,
            },
            passkeys.MAX_PASSKEYS,
          )
        }),
      ),
    )
    expect(both.filter((one) => one === 'full')).toHaveLength(1)
    const options = await passkeys.registrationOptions(userId, asking())
    expect(codeOf(await register(userId, new Authenticator().create(options)))).toBe('too_many')
    expect(await passkeys.list(userId)).toHaveLength(passkeys.MAX_PASSKEYS)
  })
})

describe('signing in with a passkey', () => {
  test('names no credential, whoever asks, and prefers verification', async () => {
    const { userId } = await owner()
    const [anon, known] = [
      await passkeys.authenticationOptions({ flow: uuid(), use: 'first' }),
      await passkeys.authenticationOptions({ flow: uuid(), use: 'first', userId }),
    ]
    expect({ ...known, challenge: '' }).toEqual({ ...anon, challenge: '' })
    expect(anon).toMatchObject({ rpId: 'localhost', allowCredentials: [], userVerification: 'preferred' })
    expect(anon.challenge).not.toBe(known.challenge)
  })

  test('says who it is, that it was verified, and where the key lives', async () => {
    const { device, userId, passkey } = await owner()
    at += 60_000
    expect(must(await signIn(device))).toEqual({
      userId,
      passkeyId: passkey.id,
      credentialId: passkey.credentialId,
      kind: 'passkey',
      userVerified: true,
      amr: ['swk', 'user', 'mfa'],
      nickname: '',
    })
    expect((await passkeys.list(userId))[0]?.lastUsedAt?.getTime()).toBe(at)
    expect((await events(userId)).map((e) => e.type)).toEqual(['passkey.added', 'passkey.used'])
    const local = await owner(new Authenticator('device'))
    expect(must(await signIn(local.device)).amr).toEqual(['hwk', 'user', 'mfa'])
  })

  test('without verification it is one factor, and says so', async () => {
    const { device } = await owner()
    expect(must(await signIn(device, { uv: false }))).toMatchObject({
      userVerified: false,
      amr: ['swk', 'user'],
    })
  })

  test('the backup state of each use is kept', async () => {
    const { device, passkey } = await owner()
    const state = async () =>
      (await stores.sql('SELECT backed_up FROM passkey_credentials WHERE id = $1', [passkey.id])).rows[0]
        .backed_up
    must(await signIn(device, { bs: false }))
    expect(await state()).toBe(false)
    must(await signIn(device))
    expect(await state()).toBe(true)
  })

  test('on a related origin of the operator, and on no other', async () => {
    process.env.WEBAUTHN_ORIGINS = 'https://login.example.org, https://example.de'
    reloadEnv()
    try {
      const { device } = await owner()
      expect(codeOf(await signIn(device, { origin: 'https://example.de' }))).toBe('ok')
      expect(codeOf(await signIn(device, { origin: 'https://www.example.de' }))).toBe('passkey_invalid')
      expect(codeOf(await signIn(device, { origin: 'http://example.de' }))).toBe('passkey_invalid')
    } finally {
      delete process.env.WEBAUTHN_ORIGINS
      reloadEnv()
    }
  })

  test.each([
    ['http://localhost:3000', true],
    ['https://id.example.com', true],
    ['http://id.example.com', false],
    ['https://192.0.2.7', false],
    ['https://[2001:db8::7]', false],
    ['http://127.0.0.1:3000', false],
  ])('works at %s: %s', (url, works) => {
    const before = process.env.GATEHOUSE_URL
    process.env.GATEHOUSE_URL = url
    reloadEnv()
    try {
      expect(passkeys.available()).toBe(works)
    } finally {
      process.env.GATEHOUSE_URL = before
      reloadEnv()
    }
  })
})

describe('a passkey beside another proof', () => {
  test('only the person’s own of the kinds that may are named', async () => {
    const userId = await newUser()
    const [phone, key] = [new Authenticator(), new Authenticator('key')]
    must(await register(userId, phone.create(await passkeys.registrationOptions(userId, asking()))))
    at += 1000
    const asKey = await passkeys.registrationOptions(userId, asking('session', 'security_key'))
    must(await register(userId, key.create(asKey)))
    await owner()
    const ask = (kinds?: passkeys.PasskeyKind[]) =>
      passkeys.authenticationOptions({ flow: uuid(), use: 'second', userId, kinds })
    const [ofPhone, ofKey] = [phone.credentials[0]?.id, key.credentials[0]?.id]
    const both = await ask()
    expect(both.allowCredentials?.map((c) => c.id)).toEqual([ofPhone, ofKey])
    expect(both.allowCredentials?.[1]?.transports).toEqual(['usb'])
    expect(both.userVerification).toBe('preferred')
    const keys = await ask(['security_key'])
    expect(keys.allowCredentials?.map((c) => c.id)).toEqual([ofKey])
    // A touch is enough where only keys may answer.
    expect(keys.userVerification).toBe('discouraged')
    expect(must(await second(key, userId))).toMatchObject({ kind: 'security_key', amr: ['hwk', 'user'] })
    // The phone's passkey is not named; sent all the same, it is not taken.
    await expect(second(phone, userId, {}, { kinds: ['security_key'] })).rejects.toThrow('no credential fits')
    const [flow, use] = [uuid(), 'second' as const]
    const { challenge } = await passkeys.authenticationOptions({ flow, use, userId, kinds: ['security_key'] })
    const response = phone.get({ challenge, rpId: 'localhost' })
    expect(codeOf(await passkeys.authenticate({ flow, use, userId, response }, caller))).toBe(
      'passkey_invalid',
    )
  })

  test('verification that is a must is asked for, and refused without', async () => {
    const { device, userId } = await owner(new Authenticator('pinKey'))
    const verified = { verified: true }
    expect(codeOf(await second(device, userId, {}, verified))).toBe('ok')
    expect(codeOf(await second(device, userId, { uv: false }, verified))).toBe('passkey_invalid')
  })
})

describe('attacks on signing in with a passkey', () => {
  const bent: [string, Bend][] = [
    ['another challenge', { challenge: Buffer.alloc(32, 7).toString('base64url') }],
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['another scheme', { origin: 'https://localhost:3000' }],
    ['another port of the origin', { origin: 'http://localhost:3001' }],
    ['a subdomain of ours', { origin: 'http://evil.localhost:3000' }],
    ['an origin of null', { origin: 'null' }],
    ['the type of a registration', { type: 'webauthn.create' }],
    ['the type of a payment', { type: 'payment.get' }],
    ['a frame of a foreign page', { crossOrigin: true, topOrigin: 'https://evil.example' }],
    ['a frame, without saying whose', { crossOrigin: true }],
    ['a top origin alone', { topOrigin: 'http://localhost:3000' }],
    ['another RP ID', { rpId: 'evil.example' }],
    ['the empty RP ID', { rpId: '' }],
    ['nobody present', { up: false }],
    ['backed up but not eligible', { be: false, bs: true }],
    ['another backup eligibility than when made', { be: false, bs: false }],
    ['a broken signature', { signature: (s) => withByte(s, s.length - 1, (last) => last ^ 1) }],
    ['an empty signature', { signature: () => Buffer.alloc(0) }],
    ['a signature of nothing', { signature: () => Buffer.alloc(64) }],
    [
      'flags changed after signing',
      { uv: false, afterwards: { authData: (b) => withFlags(b, (f) => f | 4) } },
    ],
    ['counter changed after signing', { afterwards: { authData: (b) => withByte(b, 36, () => 99) } }],
    [
      'client data changed after signing',
      { afterwards: { clientDataJSON: (j) => j.replace('}', ',"x":1}') } },
    ],
    ['bytes after the signed data', { authData: (b) => Buffer.concat([b, Buffer.from([0])]) }],
    ['authenticator data cut short', { authData: (b) => b.subarray(0, 36) }],
    ['another raw id', { rawId: 'AAAA' }],
    ['another type of credential', { credentialType: 'password' }],
    ['no user handle', { userHandle: null }],
    ['an empty user handle', { userHandle: '' }],
    ['another user handle', { userHandle: Buffer.alloc(16, 1).toString('base64url') }],
    ['extensions announced that are not there', { authData: (b) => withFlags(b, (f) => f | 0x80) }],
  ]
  test.each(bent)('%s_is_refused', async (_, bend) => {
    const { device, userId } = await owner()
    expect(codeOf(await signIn(device, bend))).toBe('passkey_invalid')
    const told = await events(userId)
    expect(told.map((e) => e.type).filter((t) => t === 'passkey.used')).toEqual([])
    // The same device, unbent, is still good.
    expect(codeOf(await signIn(device))).toBe('ok')
  })

  test('a_longer_user_handle_that_begins_like_the_owners', async () => {
    const { device } = await owner()
    const honest = Buffer.from(device.credentials[0]?.userHandle ?? '', 'base64url')
    for (const bytes of [Buffer.concat([honest, Buffer.from([0])]), honest.subarray(0, 8)]) {
      expect(codeOf(await signIn(device, { userHandle: bytes.toString('base64url') }))).toBe(
        'passkey_invalid',
      )
    }
  })

  test('a_failure_is_in_the_owners_history', async () => {
    const { device, userId } = await owner()
    await signIn(device, { origin: 'https://evil.example' })
    expect((await events(userId)).at(-1)).toMatchObject({
      type: 'passkey.refused',
      outcome: 'failure',
      data: { use: 'first', reason: 'answer' },
    })
  })

  test('an_unknown_credential_is_told_apart_so_that_the_browser_can_forget_it', async () => {
    const { device, userId, passkey } = await owner()
    must(await inTx((tx) => passkeys.remove(tx, userId, passkey.id, caller)))
    expect(codeOf(await signIn(device))).toBe('passkey_unknown')
  })

  test('another_persons_credential_is_no_second_factor_and_is_not_forgotten', async () => {
    const [ada, eve] = [await owner(), await owner()]
    const [flow, use] = [uuid(), 'second' as const]
    const options = await passkeys.authenticationOptions({ flow, use, userId: ada.userId })
    const response = eve.device.get(options, {}, eve.device.credentials[0])
    const answer = { flow, use, userId: ada.userId, response }
    // Not "unknown": that would have the browser drop a passkey that is good elsewhere.
    expect(codeOf(await passkeys.authenticate(answer, caller))).toBe('passkey_invalid')
    expect((await events(ada.userId)).at(-1)).toMatchObject({ data: { reason: 'another_account' } })
    expect((await events(eve.userId)).map((e) => e.type)).toEqual(['passkey.added'])
  })

  test('another_persons_key_under_the_owners_credential_id', async () => {
    const [ada, eve] = [await owner(), await owner()]
    const bend = { signWith: eve.device.credentials[0] as never }
    expect(codeOf(await signIn(ada.device, bend))).toBe('passkey_invalid')
  })

  test('an_answer_replayed', async () => {
    const { device } = await owner()
    const flow = uuid()
    const options = await passkeys.authenticationOptions({ flow, use: 'first' })
    const answer = { flow, use: 'first' as const, response: device.get(options) }
    expect(codeOf(await passkeys.authenticate(answer, caller))).toBe('ok')
    expect(codeOf(await passkeys.authenticate(answer, caller))).toBe('passkey_expired')
    // Nor in the same attempt, with a new challenge waiting.
    await passkeys.authenticationOptions({ flow, use: 'first' })
    expect(codeOf(await passkeys.authenticate(answer, caller))).toBe('passkey_invalid')
  })

  test('an_answer_sent_twenty_times_at_once_counts_once', async () => {
    const { device } = await owner()
    const flow = uuid()
    const options = await passkeys.authenticationOptions({ flow, use: 'first' })
    const answer = { flow, use: 'first' as const, response: device.get(options) }
    const all = await Promise.all(Array.from({ length: 20 }, () => passkeys.authenticate(answer, caller)))
    expect(all.map(codeOf).sort()).toEqual(['ok', ...Array(19).fill('passkey_expired')])
  })

  test('an_answer_to_the_challenge_of_another_attempt', async () => {
    const { device } = await owner()
    const [mine, theirs] = [uuid(), uuid()]
    const options = await passkeys.authenticationOptions({ flow: theirs, use: 'first' })
    const response = device.get(options)
    expect(codeOf(await passkeys.authenticate({ flow: mine, use: 'first', response }, caller))).toBe(
      'passkey_expired',
    )
    await passkeys.authenticationOptions({ flow: mine, use: 'first' })
    expect(codeOf(await passkeys.authenticate({ flow: mine, use: 'first', response }, caller))).toBe(
      'passkey_invalid',
    )
  })

  test('an_answer_for_another_use_or_another_user', async () => {
    const [ada, eve] = [await owner(), await owner()]
    const ask = async () => {
      const flow = uuid()
      const options = await passkeys.authenticationOptions({ flow, use: 'second', userId: ada.userId })
      return { flow, response: ada.device.get(options) }
    }
    const judge = async (use: passkeys.PasskeyUse, userId: string | null) =>
      codeOf(await passkeys.authenticate({ ...(await ask()), use, userId }, caller))
    expect(await judge('first', null)).toBe('passkey_expired')
    expect(await judge('first', ada.userId)).toBe('passkey_expired')
    expect(await judge('fresh', ada.userId)).toBe('passkey_expired')
    expect(await judge('second', eve.userId)).toBe('passkey_expired')
    expect(await judge('second', null)).toBe('passkey_expired')
    expect(await judge('second', ada.userId)).toBe('ok')
  })

  test('a_challenge_of_five_minutes_ago', async () => {
    const { device } = await owner()
    const flow = uuid()
    const options = await passkeys.authenticationOptions({ flow, use: 'first' })
    at += 300_000
    const answer = { flow, use: 'first' as const, response: device.get(options) }
    expect(codeOf(await passkeys.authenticate(answer, caller))).toBe('passkey_expired')
  })

  test('a_security_key_signs_nobody_in_by_itself', async () => {
    const { device } = await owner(new Authenticator('pinKey'), 'security_key')
    const flow = uuid()
    const options = await passkeys.authenticationOptions({ flow, use: 'first' })
    const response = device.get(options, {}, device.credentials[0])
    const answer = { flow, use: 'first' as const, response }
    expect(codeOf(await passkeys.authenticate(answer, caller))).toBe('passkey_invalid')
  })

  test.each([
    ['nothing', undefined],
    ['no JSON', '{'],
    ['an empty object', {}],
    ['texts that are no base64url', { id: '%', rawId: '%', type: 'public-key', response: {} }],
  ])('%s_is_refused', async (_, response) => {
    const flow = uuid()
    await passkeys.authenticationOptions({ flow, use: 'first' })
    expect(codeOf(await passkeys.authenticate({ flow, use: 'first', response }, caller))).toBe(
      'passkey_invalid',
    )
  })

  test('no_challenge_is_readable_at_rest', async () => {
    const flow = uuid()
    const { challenge } = await passkeys.authenticationOptions({ flow, use: 'first' })
    const kept = await stores.redis().get(key('passkeyAuth', flow))
    expect(kept).not.toContain(challenge)
    expect(await stores.redis().ttl(key('passkeyAuth', flow))).toBeLessThanOrEqual(300)
  })
})

describe('the counter', () => {
  const counting = () => owner(new Authenticator('device'))

  test('an_old_count_is_refused_told_and_kept_out_for_good', async () => {
    const { device, userId, passkey } = await counting()
    must(await signIn(device, { counter: 5 }))
    const copied = await signIn(device, { counter: 1 })
    expect(copied).toMatchObject({ ok: false, refusal: { code: 'passkey_cloned', status: 403 } })
    expect((await events(userId)).at(-1)).toMatchObject({
      type: 'passkey.cloned',
      outcome: 'failure',
      data: { passkeyId: passkey.id, before: 5, counter: 1 },
    })
    expect(codeOf(await signIn(device, { counter: 5 }))).toBe('passkey_cloned')
    expect(codeOf(await signIn(device, { counter: 0 }))).toBe('passkey_cloned')
    expect(codeOf(await signIn(device, { counter: 6 }))).toBe('ok')
    expect(codeOf(await signIn(device, { counter: 0xffff_ffff }))).toBe('ok')
  })

  test('zero for ever is allowed, and may begin to count', async () => {
    const { device } = await owner()
    for (let n = 0; n < 3; n++) expect(codeOf(await signIn(device))).toBe('ok')
    expect(codeOf(await signIn(device, { counter: 1 }))).toBe('ok')
    expect(codeOf(await signIn(device))).toBe('passkey_cloned')
  })

  test('two_equal_counts_at_once_one_passes', async () => {
    const { device } = await counting()
    const all = await Promise.all(Array.from({ length: 8 }, () => signIn(device, { counter: 9 })))
    expect(all.map(codeOf).sort()).toEqual(['ok', ...Array(7).fill('passkey_cloned')])
  })

  test('a_forged_answer_raises_no_false_alarm', async () => {
    const { device, userId } = await counting()
    must(await signIn(device, { counter: 5 }))
    const forged = await signIn(device, { counter: 1, signature: (s) => Buffer.alloc(s.length) })
    expect(codeOf(forged)).toBe('passkey_invalid')
    expect((await events(userId)).map((e) => e.type)).not.toContain('passkey.cloned')
  })
})

describe('keeping passkeys', () => {
  test('renames', async () => {
    const { userId, passkey } = await owner()
    const rename = (id: string, to: string, who = userId) =>
      inTx((tx) => passkeys.rename(tx, who, id, to, caller))
    expect(must(await rename(passkey.id, '  Blue \n key '))).toEqual({ name: 'Blue key', kind: 'passkey' })
    expect((await passkeys.list(userId))[0]?.nickname).toBe('Blue key')
    expect((await events(userId)).at(-1)).toMatchObject({
      type: 'passkey.renamed',
      data: { name: 'Blue key', before: '' },
    })
    for (const wrong of ['', ' \u0000 ', 'x'.repeat(41)]) {
      expect(codeOf(await rename(passkey.id, wrong))).toBe('invalid_input')
    }
    expect(codeOf(await rename(uuid(), 'x'))).toBe('not_found')
    expect(codeOf(await rename('1; DROP TABLE users', 'x'))).toBe('not_found')
  })

  test('another_persons_passkey_is_not_renamed_or_removed', async () => {
    const [ada, eve] = [await owner(), await owner()]
    const rename = await inTx((tx) => passkeys.rename(tx, eve.userId, ada.passkey.id, 'Mine', caller))
    const remove = await inTx((tx) => passkeys.remove(tx, eve.userId, ada.passkey.id, caller))
    expect([codeOf(rename), codeOf(remove)]).toEqual(['not_found', 'not_found'])
    expect(codeOf(await signIn(ada.device))).toBe('ok')
  })

  test('removes, says what browsers are to forget, and is gone for sign-in', async () => {
    const { userId, passkey, device } = await owner()
    const other = new Authenticator()
    must(await register(userId, other.create(await passkeys.registrationOptions(userId, asking()))))
    const removed = must(await inTx((tx) => passkeys.remove(tx, userId, passkey.id, caller)))
    expect(removed).toEqual({ name: '', kind: 'passkey', credentialId: passkey.credentialId })
    expect(await passkeys.signal(userId)).toEqual({
      rpId: 'localhost',
      userId: other.credentials[0]?.userHandle,
      allAcceptedCredentialIds: [other.credentials[0]?.id],
    })
    expect(codeOf(await signIn(device))).toBe('passkey_unknown')
    expect(codeOf(await signIn(other))).toBe('ok')
    expect(codeOf(await inTx((tx) => passkeys.remove(tx, userId, passkey.id, caller)))).toBe('not_found')
  })

  test('a_passkey_removed_while_it_signs_is_unknown_and_not_a_copy', async () => {
    const { userId, passkey } = await owner()
    const { recordUse, exists } = await import('./store-passkeys')
    must(await inTx((tx) => passkeys.remove(tx, userId, passkey.id, caller)))
    expect(await recordUse(passkey.id, 1, false)).toBe(false)
    expect(await exists(passkey.id)).toBe(false)
  })

  test('nobody has nothing', async () => {
    expect(await passkeys.list(uuid())).toEqual([])
    expect(await passkeys.signal(uuid())).toBeNull()
  })
})
