import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseOptions } from '@node-rs/argon2'
import { dictionary } from '@zxcvbn-ts/language-common'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { keyIds } from '../base/secrets'
import { useStores } from '../testing'
import { enrolled, password } from './index'
import * as store from './store'

const stores = useStores()

async function withPassword(plain: string): Promise<string> {
  const id = uuid()
  await stores.sql("INSERT INTO users (id, status) VALUES ($1, 'active')", [id])
  const hash = await password.hash(plain)
  if (!hash.ok) throw new Error(hash.refusal.code)
  await inTx((tx) => password.set(tx, id, hash.value))
  return id
}

const storedHash = async (id: string): Promise<string> =>
  (await stores.sql('SELECT hash FROM passwords WHERE user_id = $1', [id])).rows[0].hash

const matches = async (id: string | null, plain: string): Promise<boolean> => {
  const result = await password.verify(id, plain)
  if (!result.ok) throw new Error(result.refusal.code)
  return result.value.match
}

function configure(vars: Record<string, string | undefined>) {
  for (const [name, value] of Object.entries(vars)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  reloadEnv()
}

const code = async (plain: string, context = {}) => {
  const result = await password.rules(plain, context)
  return result.ok ? 'accepted' : result.refusal.code
}

describe('rules', () => {
  test.each([
    'correct horse battery staple',
    'lantern-orbit-kiwi',
    'blue teapot 92 sings',
    'Wq8#kd0Zpl',
    'xk5 hhq2 pp9t',
    'пароль-лошадь-скрепка',
    '馬電池ホチキス正しい青空',
    '🦊🐢🍋🎈🚲🧵🪁🎻🧊🌵',
    `${'x'.repeat(30)} and then a lighthouse keeper`,
    'a'.repeat(30).concat('b7q!mZ0w#e', 'c'.repeat(30)).slice(20, 60).concat(' lighthouse keeper'),
  ])('%s is accepted', async (plain) => {
    expect(await code(plain, { email: 'mara.voss@example.com', names: ['Mara', 'Voss'] })).toBe('accepted')
  })

  test('lengths count code points, from PASSWORD_MIN_LENGTH to 256, after NFC', async () => {
    expect(await password.rules('Wq8#kd0Zp')).toMatchObject({
      refusal: { code: 'password_too_short', field: 'password', values: { min: 10 } },
    })
    // Ten letters, eleven code points before composition.
    expect(await code('Wq8#kd0Zu\u0308')).toBe('password_too_short')
    expect(await code('🦊🐢🍋🎈🚲🧵🪁🎻🧊')).toBe('password_too_short')
    expect(await code('Wq8#kd0Zpl', { minLength: 15 })).toBe('password_too_short')
    const long = Array.from({ length: 256 }, (_, n) => String.fromCodePoint(0x1f300 + ((n * 37) % 200))).join(
      '',
    )
    expect(await code(long)).toBe('accepted')
    expect(await password.rules(`${long}x`)).toMatchObject({
      refusal: { code: 'password_too_long', values: { max: 256 } },
    })
  })

  test('every_common_password_of_the_list_is_refused_in_any_case', async () => {
    configure({ PASSWORD_MIN_LENGTH: '8' })
    const listed = dictionary['passwords-common'].filter((word) => word.length >= 8)
    expect(listed.length).toBeGreaterThan(3000)
    const accepted: string[] = []
    for (const word of listed) {
      for (const spelling of [word, word.toUpperCase()]) {
        if ((await code(spelling)) === 'accepted') accepted.push(spelling)
      }
    }
    configure({ PASSWORD_MIN_LENGTH: undefined })
    expect(accepted).toEqual([])
  })

  test.each([
    'p@ssw0rd2026',
    'P4$$w0rd!!!!',
    'ｐａｓｓｗｏｒｄ１２３',
    'Summer2026!!',
    'Dragonfly-24',
    'passwordpassword',
    'abc123abc123abc123',
    'aaaaaaaaaaaaaaaaaaaa',
    'xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy',
    '1234567890123',
    'qwertyuiop[]',
    'qazwsxedcrfv',
    'drowssap2026',
  ])('%s_is_refused_as_common', async (plain) => {
    expect(await code(plain)).toBe('password_common')
  })

  const mara = { email: 'mara.vossberg@corpmail.example', names: ['Mara', 'Vossberg', 'Mara Vossberg'] }

  test.each([
    'gatehouse2026',
    'G4teh0use!2026',
    'localhost-3000',
    'mara.vossberg1',
    'MARA VOSSBERG 77',
    'm4r4vossberg99',
    'vossbergcorpmail',
    'corpmail-2026!',
    'mara.vossberg@corpmail.example',
  ])('%s_is_refused_as_made_of_names', async (plain) => {
    expect(await code(plain, mara)).toMatch(/password_(context|common)/)
  })

  test('a name inside a long password of other words is no harm', async () => {
    expect(await code('gatehouse lantern trumpet', mara)).toBe('accepted')
    expect(await code('maple vossberg harbour tin', mara)).toBe('accepted')
  })

  test('one_megabyte_is_refused_before_any_work', async () => {
    const huge = 'a1!'.repeat(350_000)
    for (const result of await Promise.all([
      password.rules(huge),
      password.hash(huge),
      password.verify(uuid(), huge),
      password.verify(null, huge),
    ])) {
      expect(result).toMatchObject({ ok: false, refusal: { code: 'password_too_long', status: 400 } })
    }
  })

  test('operator_injection_and_broken_text_are_refused', async () => {
    for (const bad of [null, undefined, 7, {}, ['abcdefghij'], { length: 12 }, 'lonely \ud800 surrogate']) {
      expect(await code(bad as string)).toBe('invalid_input')
      expect(await password.verify(uuid(), bad as string)).toMatchObject({ ok: false })
      expect(await password.hash(bad as string)).toMatchObject({ ok: false })
    }
  })
})

describe('hash and verify', () => {
  test.each([64, 72, 73, 128, 200, 256])('last_character_changed_fails_at_%i', async (length) => {
    const plain = Array.from({ length }, (_, n) => 'abcdefghijklmnopqrstuvwxyz'[(n * 7) % 26]).join('')
    const id = await withPassword(plain)
    expect(await matches(id, plain)).toBe(true)
    expect(await matches(id, `${plain.slice(0, -1)}!`)).toBe(false)
    expect(await matches(id, plain.slice(0, -1))).toBe(false)
    if (length < 256) expect(await matches(id, `${plain}a`)).toBe(false)
    expect(await matches(id, plain.toUpperCase())).toBe(false)
  })

  test('NUL, blanks at the ends and multi-byte letters all count', async () => {
    const plain = ' pass\0word with 🦊 blanks '
    const id = await withPassword(plain)
    expect(await matches(id, plain)).toBe(true)
    for (const other of [plain.trim(), 'pass', ' pass', plain.replace('\0', ''), plain.replace('🦊', '🐢')]) {
      expect(await matches(id, other)).toBe(false)
    }
  })

  test('two ways to type one letter are one password, look-alikes are not', async () => {
    const id = await withPassword('mu\u0308nchen lantern')
    expect(await matches(id, 'm\u00fcnchen lantern')).toBe(true)
    expect(await matches(id, 'munchen lantern')).toBe(false)
    expect(await matches(await withPassword('oﬃce lantern kiwi'), 'office lantern kiwi')).toBe(false)
  })

  test('a hash is argon2id of 19 MiB, two passes and its own salt, and holds no password', async () => {
    const plain = 'lantern-orbit-kiwi'
    const [a, b] = await Promise.all([
      storedHash(await withPassword(plain)),
      storedHash(await withPassword(plain)),
    ])
    expect(a).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(parseOptions(a)).toMatchObject({ saltLen: 16, outputLen: 32 })
    expect(a).not.toBe(b)
    expect(a).not.toContain(plain)
  })

  test('nobody, users without a password and wrong passwords all just do not match', async () => {
    const bare = uuid()
    await stores.sql("INSERT INTO users (id, status) VALUES ($1, 'active')", [bare])
    const id = await withPassword('lantern-orbit-kiwi')
    for (const who of [null, uuid(), bare, '00000000-0000-0000-0000-000000000000']) {
      expect(await password.verify(who, 'lantern-orbit-kiwi')).toEqual({ ok: true, value: { match: false } })
    }
    expect(await password.verify(id, 'wrong')).toEqual({ ok: true, value: { match: false } })
  })

  test('weaker parameters are replaced at the next right password, never at a wrong one', async () => {
    const id = await withPassword('lantern-orbit-kiwi')
    const before = await storedHash(id)
    configure({ ARGON2_MEMORY_KIB: '24576', ARGON2_PASSES: '3' })
    try {
      await matches(id, 'wrong')
      expect(await storedHash(id)).toBe(before)
      expect(await matches(id, 'lantern-orbit-kiwi')).toBe(true)
      const after = await storedHash(id)
      expect(parseOptions(after)).toMatchObject({ memoryCost: 24_576, timeCost: 3 })
      expect(await matches(id, 'lantern-orbit-kiwi')).toBe(true)
      expect(await storedHash(id)).toBe(after)
      configure({ ARGON2_MEMORY_KIB: undefined, ARGON2_PASSES: undefined })
      expect(await matches(id, 'lantern-orbit-kiwi')).toBe(true)
      expect(await storedHash(id)).toBe(after)
    } finally {
      configure({ ARGON2_MEMORY_KIB: undefined, ARGON2_PASSES: undefined })
    }
    // Operators see it; it is no news to the person.
    const { rows } = await stores.sql('SELECT type FROM events WHERE user_id = $1 ORDER BY id', [id])
    expect(rows.map(({ type }) => type)).toEqual(['password.set', 'password.rehashed'])
  })

  test('rehash_never_brings_back_a_password_that_was_changed_meanwhile', async () => {
    const id = await withPassword('lantern-orbit-kiwi')
    const seen = await storedHash(id)
    const fresh = await password.hash('another lantern kiwi')
    if (!fresh.ok) throw new Error('busy')
    await inTx((tx) => password.set(tx, id, fresh.value))
    expect(await store.replaceHash(id, seen, seen.replace('t=2', 't=3'))).toBe(false)
    expect(await matches(id, 'lantern-orbit-kiwi')).toBe(false)
    expect((await audit.list(id, { limit: 1 })).items[0]?.type).toBe('password.changed')
  })

  test('a_storm_of_hashes_is_refused_past_the_waiting_time_and_then_works_again', async () => {
    configure({ PASSWORD_QUEUE_SECONDS: '1' })
    try {
      const results = await Promise.all(
        Array.from({ length: 400 }, () => password.hash('lantern-orbit-kiwi')),
      )
      const refused = results.filter((r) => !r.ok)
      expect(refused.length).toBeGreaterThan(0)
      expect(refused.length).toBeLessThan(400)
      for (const r of refused) {
        if (!r.ok)
          expect(r.refusal).toMatchObject({
            code: 'busy',
            status: 503,
            retryAfterSeconds: expect.any(Number),
          })
      }
      expect((await password.hash('lantern-orbit-kiwi')).ok).toBe(true)
    } finally {
      configure({ PASSWORD_QUEUE_SECONDS: undefined })
    }
  })

  test('enrolled counts what there is', async () => {
    const id = await withPassword('lantern-orbit-kiwi')
    expect(await password.has(id)).toBe(true)
    expect(await enrolled(id)).toEqual({
      password: true,
      totp: 0,
      passkeys: 0,
      securityKeys: 0,
      backupCodes: 0,
    })
    expect(await enrolled(uuid())).toMatchObject({ password: false })
    await stores.sql("INSERT INTO totps (user_id, name, secret_sealed) VALUES ($1, 'a', 'x')", [id])
    await stores.sql(
      `INSERT INTO passkey_credentials (user_id, credential_id, public_key, algorithm, device_type, nickname, kind)
       VALUES ($1, 'a', 'k', -7, 'x', 'n', 'passkey'), ($1, 'b', 'k', -7, 'x', 'n', 'security_key')`,
      [id],
    )
    await stores.sql(
      `INSERT INTO backup_codes (user_id, set_id, hash, used_at)
       VALUES ($1, gen_random_uuid(), $2 || 'a', now()), ($1, gen_random_uuid(), $2 || 'b', NULL)`,
      [id, `v1.${keyIds()[0]}.`],
    )
    expect(await enrolled(id)).toEqual({
      password: true,
      totp: 1,
      passkeys: 1,
      securityKeys: 1,
      backupCodes: 1,
    })
  })
})

describe('known leaks', () => {
  const leaked = 'lantern-orbit-kiwi'
  const digest = createHash('sha1').update(leaked).digest('hex').toUpperCase()
  let server: Server
  let answer: (path: string) => {
    status?: number
    body?: string
    headers?: Record<string, string>
    hang?: boolean
  }
  const asked: { path: string; padding: unknown }[] = []

  beforeAll(async () => {
    server = createServer((req, res) => {
      asked.push({ path: req.url ?? '', padding: req.headers['add-padding'] })
      const { status = 200, body = '', headers = {}, hang } = answer(req.url ?? '')
      if (!hang) res.writeHead(status, headers).end(body)
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    configure({
      PASSWORD_HIBP: 'on',
      PASSWORD_HIBP_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    })
  })
  afterEach(() => {
    asked.length = 0
  })
  afterAll(() => {
    configure({ PASSWORD_HIBP: undefined, PASSWORD_HIBP_URL: undefined })
    server.closeAllConnections()
    server.close()
  })

  const line = (times: number) => `${'0'.repeat(35)}:3\r\n${digest.slice(5)}:${times}\r\n${'F'.repeat(35)}:1`

  test('a leaked password is refused, and only five digits of its hash were asked, with padding', async () => {
    answer = () => ({ body: line(42) })
    expect(await code(leaked)).toBe('password_breached')
    expect(asked).toEqual([{ path: `/range/${digest.slice(0, 5)}`, padding: 'true' }])
    expect(await code('blue teapot 92 sings')).toBe('accepted')
  })

  test('padding lines and other suffixes are no leak', async () => {
    answer = () => ({ body: line(0) })
    expect(await code(leaked)).toBe('accepted')
  })

  test.each([
    ['an error', { status: 503 }],
    ['a redirect elsewhere', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
    ['an endless answer', { body: 'x'.repeat(600_000) }],
    ['nonsense', { body: '<html>:::</html>' }],
    ['silence', { hang: true }],
  ])('%s stops nobody', async (_, reply) => {
    answer = () => reply
    expect(await code(leaked)).toBe('accepted')
  })

  test('nothing is asked for a password that is refused anyway, or when it is off', async () => {
    answer = () => ({ body: line(1) })
    await code('password1234')
    configure({ PASSWORD_HIBP: 'off' })
    expect(await code(leaked)).toBe('accepted')
    configure({ PASSWORD_HIBP: 'on' })
    expect(asked).toEqual([])
  })
})
