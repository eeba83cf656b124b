import { type ChildProcess, fork, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freePort } from '../../scripts/free-port.mjs'
import { startCarelessApp } from '../clinic/careless-app.fixture'
import { bundle } from '../testing/bundle'
import { TLS } from '../testing/tls'
import type { Line, Outcome } from './commands.fixture'

// Each command is a process of its own: on a busy machine a handful of them takes a while.
vi.setConfig({ testTimeout: 180_000 })

const ADMIN_URL = process.env.TEST_DATABASE_URL ?? 'postgresql://postgres:secretpw@127.0.0.1:55432/postgres'
const REDIS_URL = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'
const DATABASE = `gatehouse_cli_${randomBytes(5).toString('hex')}`
const databaseUrl = Object.assign(new URL(ADMIN_URL), { pathname: `/${DATABASE}` }).href
const data = mkdtempSync(path.join(tmpdir(), 'gatehouse-cli-'))

let program = ''
let commands: ChildProcess
let db: pg.Pool

async function admin(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: ADMIN_URL })
  await client.connect()
  await client.query(statement)
  await client.end()
}

beforeAll(async () => {
  program = await bundle('lib/cli/main.ts')
  commands = fork(await bundle('lib/cli/commands.fixture.ts'), { cwd: tmpdir(), env: settings() })
  await admin(`CREATE DATABASE ${DATABASE}`)
  db = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  db.on('error', () => {})
})

afterAll(async () => {
  commands.kill()
  await db.end()
  await admin(`DROP DATABASE ${DATABASE} WITH (FORCE)`)
  rmSync(data, { recursive: true, force: true })
})

type Options = { stdin?: string; env?: Record<string, string> }

const settings = (env: Record<string, string> = {}) => ({
  PATH: process.env.PATH,
  NODE_ENV: 'production' as const,
  GATEHOUSE_DATA: data,
  DATABASE_URL: databaseUrl,
  REDIS_URL,
  PORT: '1',
  ...env,
})

/** Runs the real entry in a process of its own. */
async function started(args: string[], options: Options = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...args], { cwd: tmpdir(), env: settings(options.env) })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin ?? '')
  const [code] = await once(child, 'close')
  return { code: code as number | null, out, err }
}

/** Runs the same in the process that takes one command after the other: most of a command's time is its start. */
async function gatehouse(args: string[], { stdin = '', env }: Options = {}): Promise<Outcome> {
  commands.send({ args, stdin, env: settings(env) } satisfies Line)
  const [outcome] = await once(commands, 'message')
  return outcome as Outcome
}

async function ok<T>(args: string[], options?: Options): Promise<T> {
  const { code, out, err } = await gatehouse([...args, '--json'], options)
  expect(err).toBe('')
  expect(code).toBe(0)
  return JSON.parse(out) as T
}

describe('help', () => {
  test('names every command, and each command its options', async () => {
    const { out, code } = await started(['--help'])
    expect(code).toBe(0)
    for (const name of ['client', 'user', 'session', 'key', 'doctor', 'restored']) expect(out).toContain(name)
    const add = await gatehouse(['client', 'add', '--help'])
    for (const option of [
      '--name',
      '--redirect-uri',
      '--post-logout-redirect-uri',
      '--backchannel-logout-uri',
      '--auth-method',
      '--grant',
      '--first-party',
      '--no-pkce',
      '--json',
    ]) {
      expect(add.out).toContain(option)
    }
  })

  test('a slip of the hand is told with the way out, exit code 1 and no stack', async () => {
    for (const args of [
      ['clinet', 'list'],
      ['client', 'add', '--name', 'x'],
      ['client', 'add', '--name', 'x', '--redirect-uri', 'https://x.example', '--auth-method', 'magic'],
      ['user', 'show', 'nobody@example.com'],
      ['session', 'revoke'],
    ]) {
      const { code, err, out } = await gatehouse(args)
      expect([args, code]).toEqual([args, 1])
      expect(err).not.toBe('')
      expect(err + out).not.toMatch(/\n\s+at /)
    }
    const slip = await started(['clinet', 'list'])
    expect([slip.code, slip.err]).toEqual([1, expect.stringContaining('Did you mean client?')])
  })
})

describe('clinic', () => {
  test('an app that people may use is left alone; a test client is examined, and told what it accepted', async () => {
    const port = await freePort()
    const names = { clientId: 'careless', clientSecret: 'told-to-the-clinic' }
    const app = await startCarelessApp({ issuer: `http://localhost:${port}`, ...names })
    const logout = ['--backchannel-logout-uri', `${app.url}/logout`]
    const uri = ['--redirect-uri', `${app.url}/callback`]
    await ok(['client', 'add', '--name', 'Careless', '--id', 'careless', ...uri, ...logout])
    const clinic = ['clinic', 'careless', '--start-url', `${app.url}/login`, '--port', String(port)]
    const refused = await gatehouse(clinic)
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('is not a test client')])
    await ok(['client', 'update', 'careless', '--test-client'])
    const { code, out } = await gatehouse([...clinic, '--json'])
    const report = JSON.parse(out)
    expect([code, report.client_id, report.right, report.wrong, report.skipped]).toEqual([
      1,
      'careless',
      3,
      38,
      3,
    ])
    expect(report.results).toContainEqual({
      check: 'id_iss',
      outcome: 'accepted',
      verdict: 'wrong',
      expects: 'refused',
      weight: 'must',
      section: 'OpenID Connect Core 1.0 §3.1.3.7',
      url: 'https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation',
      fix: 'Compare iss with the issuer, character by character.',
    })
    const some = await gatehouse([...clinic, '--only', 'id_aud'])
    expect(some.out).toContain('✗ An ID token for another app\n    The app accepted it.\n    → Refuse')
    expect((await gatehouse([...clinic, '--only', 'id_sum'])).err).toContain('there is no check id_sum')
    await app.close()
    const gone = await gatehouse([...clinic, '--wait', '0'])
    expect([gone.code, gone.err]).toEqual([1, `${app.url} does not answer (ECONNREFUSED).\n`])
  })
})

describe('resource', () => {
  test('an API, an app that acts for itself there, and the API as a client', async () => {
    const id = 'https://api.example.com'
    const scopes = ['--scope', 'orders:read=Read orders', '--scope', 'orders:write']
    await ok(['resource', 'add', id, '--name', 'Orders', ...scopes, '--lifetime-minutes', '5'])
    const registered = async () => {
      const [own, ...others] = await ok<{ id: string }[]>(['resource', 'list'])
      expect(own?.id).toBe('http://localhost:1/api/admin')
      return others
    }
    expect(await registered()).toMatchObject([
      {
        id,
        format: 'jwt',
        algorithm: 'ES256',
        lifetime_seconds: 300,
        scopes: [{}, { name: 'orders:write' }],
      },
    ])
    const app = ['client', 'add', '--name', 'Import', '--grant', 'client_credentials', '--resource']
    const { client_id } = await ok<{ client_id: string }>([...app, `${id} orders:write`])
    await ok(['client', 'update', client_id, '--resource', id])
    expect(await ok(['client', 'show', client_id])).toMatchObject({
      grants: ['client_credentials'],
      redirect_uris: [],
      resources: [{ resource: id, scopes: null }],
    })
    const served = await ok<{ client_id: string }>(['client', 'add', '--name', 'Orders', '--serves', id])
    expect(await ok(['client', 'show', served.client_id])).toMatchObject({ grants: [], serves: [id] })
    const asks = await ok<{ client_id: string }>(['client', 'add', '--name', 'Reports', '--personal-tokens'])
    const only = { grants: [], redirect_uris: [], personal_tokens: true }
    expect(await ok(['client', 'show', asks.client_id])).toMatchObject(only)
    const more = ['--grant', 'authorization_code', '--redirect-uri', 'https://reports.example.com/cb']
    await ok(['client', 'update', asks.client_id, ...more])
    await ok(['client', 'update', asks.client_id, '--grant', 'none', '--redirect-uri', 'none'])
    expect(await ok(['client', 'show', asks.client_id])).toMatchObject(only)
    const unknown = await gatehouse([...app, 'https://nobody.example.com'])
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('there is no API')])
    expect(JSON.parse((await gatehouse(['resource', 'metadata', id])).out)).toEqual({
      resource: id,
      resource_name: 'Orders',
      authorization_servers: ['http://localhost:1/oidc'],
      scopes_supported: ['orders:read', 'orders:write'],
      bearer_methods_supported: ['header'],
    })
    expect(await ok(['resource', 'update', id, '--open'])).toEqual({ id, open: true })
    expect(await ok(['client', 'invite', '--days', '1'])).toMatchObject({
      initial_access_token: expect.stringMatching(/^gti_/),
      registration_endpoint: 'http://localhost:1/oidc/register',
      mode: 'off',
    })
    expect((await gatehouse(['client', 'invite', '--days', '365'])).code).toBe(1)
    await ok(['resource', 'update', id, '--format', 'opaque', '--lifetime-minutes', '0'])
    expect(await registered()).toMatchObject([{ format: 'opaque', lifetime_seconds: null }])
    await ok(['resource', 'remove', id])
    expect(await registered()).toEqual([])
  })
})

describe('claims of an operator’s own', () => {
  test('are set from a file, shown, previewed for somebody with metadata and roles, and taken away', async () => {
    const { client_id: id } = await ok<{ client_id: string }>([
      ...['client', 'add', '--name', 'Claims', '--redirect-uri', 'https://app.example.com/cb'],
    ])
    const who = 'mapped@example.com'
    await ok(['user', 'add', '--email', who, '--verified', '--no-password'])
    expect(
      (await gatehouse(['user', 'metadata', who, '--set', '-'], { stdin: '{"myPlan":"pro"}' })).code,
    ).toBe(0)
    expect(await ok(['user', 'roles', who, '--set', 'author', '--default', 'editor'])).toMatchObject({
      roles: ['author', 'editor'],
      default_role: 'editor',
    })
    const mapping = [{ name: 'myPlan', scope: 'profile', value: '{{metadata.myPlan}}' }]
    const set = ['client', 'claims', id, '--set', '-']
    // Claims keep the names they have.
    expect(await ok(set, { stdin: JSON.stringify(mapping) })).toEqual({ client_id: id, claims: mapping })
    const { out } = await gatehouse(['client', 'claims', id, '--preview', who])
    expect(out).toMatch(/profile +myPlan +yes +yes +"pro"/)
    expect(out).toContain('Nothing was issued')

    const bad = await gatehouse(set, { stdin: '[{"name":"sub","always":true,"value":"x"}]' })
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('sub: name is reserved')])
    expect((await gatehouse(set, { stdin: 'no json' })).err).toContain('is not JSON')
    expect((await gatehouse(['client', 'claims', id, '--template', 'hasura'])).out).toContain(
      'x-hasura-default-role',
    )
    expect((await gatehouse(['client', 'claims', id, '--none'])).out).toContain(
      'no claims but the standard ones',
    )
    expect((await gatehouse(['client', 'claims', 'nobody', '--none'])).err).toContain(
      'There is no such client',
    )
  })
})

describe('client', () => {
  test('keys and the level of an app, and what does not go together', async () => {
    const keys = path.join(data, 'jwks.json')
    writeFileSync(keys, JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', kid: 'one' }] }))
    const add = ['client', 'add', '--name', 'Bank', '--redirect-uri', 'https://bank.example.com/cb']
    const made = await ok<Added>([
      ...add,
      '--auth-method',
      'private_key_jwt',
      '--jwks',
      keys,
      '--security',
      'fapi2',
    ])
    expect(made.client_secret).toBeUndefined()
    expect((await gatehouse(['client', 'show', made.client_id])).out).toMatch(
      /its keys +one[\s\S]*level +fapi2/,
    )
    await ok(['client', 'update', made.client_id, '--security', 'dpop'])
    expect(await ok(['client', 'show', made.client_id])).toMatchObject({ security: 'dpop' })
    const wrong = await gatehouse([...add, '--security', 'fapi2'])
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('private_key_jwt')])

    const update = ['client', 'update', made.client_id]
    type Shown = { jwks: { keys: object[] } | null; jwks_uri: string | null; signed_requests: boolean }
    const shown = () => ok<Shown>(['client', 'show', made.client_id])
    const at = 'https://bank.example.com/jwks'
    await ok([...update, '--jwks-uri', at, '--signed-requests'])
    expect(await shown()).toMatchObject({ jwks: null, jwks_uri: at, signed_requests: true })
    const none = await gatehouse([...update, '--jwks-uri', 'none'])
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('needs jwks or jwksUri')])
    await ok([...update, '--jwks', keys, '--no-signed-requests'])
    expect(await shown()).toMatchObject({ jwks: { keys: [{}] }, jwks_uri: null, signed_requests: false })
  })

  test('an app with a certificate, given as PEM, where certificates can come', async () => {
    const pem = path.join(data, 'app.pem')
    writeFileSync(pem, TLS.cert)
    const add = ['client', 'add', '--name', 'Machine', '--grant', 'client_credentials']
    const own = [...add, '--auth-method', 'self_signed_tls_client_auth', '--jwks', pem, '--certificate-bound']
    const off = await gatehouse(own)
    expect([off.code, off.err]).toEqual([1, expect.stringContaining('set CLIENT_CERTIFICATE_HEADER')])
    const ca = { CLIENT_CERTIFICATE_CA: TLS.cert }
    const env = { TRUSTED_PROXIES: 'loopback', CLIENT_CERTIFICATE_HEADER: 'client-cert', ...ca }
    const { client_id: id, client_secret: secret } = await ok<Added>(own, { env })
    expect(secret).toBeUndefined()
    const x5c = [TLS.cert.replace(/-----[A-Z ]+-----|\s/g, '')]
    expect(await ok(['client', 'show', id])).toMatchObject({
      jwks: { keys: [{ kty: 'EC', x5c }] },
      certificate_bound: true,
    })
    type Report = { checks: { name: string; message: string; hint?: string }[] }
    const said = async (env: Record<string, string>) =>
      (await ok<Report>(['doctor'], { env })).checks.find(({ name }) => name === 'apps')
    expect(await said({})).toMatchObject({
      message: '1 app is off, registered to show certificates',
      hint: expect.stringContaining('CLIENT_CERTIFICATE_HEADER'),
    })
    const update = ['client', 'update', id, '--auth-method', 'tls_client_auth', '--no-certificate-bound']
    const named = await gatehouse([...update, '--certificate-subject', 'dns:reports.example.com'], { env })
    expect(named.out).toContain('proves itself by its certificate')
    expect((await gatehouse(['client', 'show', id])).out).toMatch(
      /certificate is for +dns:reports\.example\.com/,
    )
    expect((await said({ ...env, CLIENT_CERTIFICATE_CA: '' }))?.hint).toContain('CLIENT_CERTIFICATE_CA')
    expect(await said(env)).toBeUndefined()
    await ok(['client', 'remove', id])
  })

  type Added = { client_id: string; client_secret?: string; issuer: string }
  const uri = 'https://app.example.com/callback'

  test('add shows the secret once; list, show and the database never have it', async () => {
    const added = await ok<Added>([
      ...['client', 'add', '--name', 'Shop', '--redirect-uri', uri, '--redirect-uri', `${uri}/two`],
      ...['--post-logout-redirect-uri', 'https://app.example.com/', '--first-party'],
      ...[
        '--backchannel-logout-uri',
        'https://app.example.com/logout',
        '--auth-method',
        'client_secret_post',
      ],
    ])
    expect(added.client_secret?.length).toBeGreaterThan(40)
    expect(added.issuer).toBe('http://localhost:1/oidc')
    const shown = await gatehouse(['client', 'show', added.client_id, '--json'])
    expect(JSON.parse(shown.out)).toMatchObject({
      client_id: added.client_id,
      name: 'Shop',
      redirect_uris: [uri, `${uri}/two`],
      first_party: true,
      pkce: true,
      auth_method: 'client_secret_post',
      backchannel_logout_uri: 'https://app.example.com/logout',
    })
    const listed = await gatehouse(['client', 'list'])
    expect(listed.out).toContain('Shop')
    const { rows } = await db.query(
      'SELECT c::text, s::text FROM clients c JOIN client_secrets s ON s.client_id = c.id',
    )
    for (const text of [shown.out, listed.out, JSON.stringify(rows)]) {
      expect(text).not.toContain(added.client_secret)
    }
  })

  test('an app without a server gets no secret; a wrong address is refused with the reason', async () => {
    const added = await ok<Added>([
      ...[
        'client',
        'add',
        '--name',
        'SPA',
        '--redirect-uri',
        'http://localhost:8080/cb',
        '--auth-method',
        'none',
      ],
    ])
    expect(added.client_secret).toBeUndefined()
    for (const wrong of [
      'http://app.example.com/cb',
      'https://app.example.com/#x',
      'javascript:alert(1)',
      '/cb',
    ]) {
      const { code, err } = await gatehouse(['client', 'add', '--name', 'x', '--redirect-uri', wrong])
      expect([wrong, code]).toEqual([wrong, 1])
      expect(err).toContain('must')
    }
    const noPkce = [
      'client',
      'add',
      '--name',
      'x',
      '--redirect-uri',
      uri,
      '--auth-method',
      'none',
      '--no-pkce',
    ]
    expect((await gatehouse(noPkce)).code).toBe(1)
  })

  test('add and update say what level of assurance an app demands', async () => {
    type Shown = { acr: string }
    const add = ['client', 'add', '--name', 'Vault', '--redirect-uri', uri]
    const { client_id } = await ok<Added>([...add, '--acr', 'aal2'])
    expect((await ok<Shown>(['client', 'show', client_id])).acr).toBe('aal2')
    expect(await ok(['client', 'update', client_id, '--acr', 'aal1'])).toEqual({ client_id, acr: 'aal1' })
    expect((await ok<Shown>(['client', 'show', client_id])).acr).toBe('aal1')
    for (const wrong of [
      ['client', 'update', client_id],
      ['client', 'update', client_id, '--acr', 'aal3'],
      ['client', 'update', 'nobody', '--acr', 'aal2'],
    ]) {
      const { code, err } = await gatehouse(wrong)
      expect([wrong, code]).toEqual([wrong, 1])
      expect(err).not.toBe('')
    }
  })

  test('update changes all that add takes, judged as add judges', async () => {
    const { client_id } = await ok<Added>(['client', 'add', '--name', 'Before', '--redirect-uri', uri])
    const update = ['client', 'update', client_id]
    await ok([
      ...update,
      ...['--name', 'After', '--redirect-uri', `${uri}/a`, '--redirect-uri', `${uri}/b`, '--no-pkce'],
      ...[
        '--post-logout-redirect-uri',
        uri,
        '--first-party',
        '--logo-uri',
        `${uri}.png`,
        '--id-token-alg',
        'RS256',
      ],
    ])
    const changed = { name: 'After', redirect_uris: [`${uri}/a`, `${uri}/b`], pkce: false, first_party: true }
    expect(await ok(['client', 'show', client_id])).toMatchObject({
      ...changed,
      post_logout_redirect_uris: [uri],
      logo_uri: `${uri}.png`,
      id_token_alg: 'RS256',
    })
    await ok([
      ...update,
      '--logo-uri',
      'none',
      '--post-logout-redirect-uri',
      'none',
      '--pkce',
      '--no-first-party',
    ])
    expect(await ok(['client', 'show', client_id])).toMatchObject({
      name: 'After',
      post_logout_redirect_uris: [],
      logo_uri: null,
      pkce: true,
      first_party: false,
    })
    const wrong = await gatehouse([...update, '--redirect-uri', 'http://evil.example.com/cb'])
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('must be https')])
  })

  test('lets an app manage apps by the scopes that are named, and takes single secrets away', async () => {
    const api = 'http://localhost:1/api/admin'
    const add = ['client', 'add', '--name', 'Provisioning', '--grant', 'client_credentials', '--resource']
    const { client_id } = await ok<Added>([...add, `${api} clients:read`])
    await ok(['client', 'update', client_id, '--resource', `${api} clients:read clients:write`])
    expect(await ok(['client', 'show', client_id])).toMatchObject({
      resources: [{ resource: api, scopes: ['clients:read', 'clients:write'] }],
    })
    for (const [reach, says] of [
      [api, 'name what the app may do'],
      [`${api} clients:all`, 'name what the app may do'],
    ] as const) {
      const wrong = await gatehouse([...add, reach])
      expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining(says)])
    }
    const taken = await gatehouse(['resource', 'add', api, '--name', 'Mine'])
    expect([taken.code, taken.err]).toEqual([1, expect.stringContaining('of the portal itself')])
    const mine = ['resource', 'add', 'https://mine.example.com', '--name', 'Mine', '--scope']
    expect((await gatehouse([...mine, 'clients:write'])).err).toContain('or of the portal')

    await ok(['client', 'rotate-secret', client_id])
    type Shown = { secrets: { hint: string; expires_at: string | null }[] }
    const old = (await ok<Shown>(['client', 'show', client_id])).secrets.find((s) => s.expires_at)
    await ok(['client', 'remove-secret', client_id, old?.hint ?? ''])
    const [left, ...none] = (await ok<Shown>(['client', 'show', client_id])).secrets
    expect(none).toEqual([])
    const last = await gatehouse(['client', 'remove-secret', client_id, left?.hint ?? ''])
    expect([last.code, last.err]).toEqual([1, expect.stringContaining('the only secret')])
  })

  test('a_secret_whose_name_begins_like_an_option_is_taken_away_behind_two_dashes', async () => {
    const { client_id } = await ok<Added>(['client', 'add', '--name', 'Older', '--redirect-uri', uri])
    await ok(['client', 'rotate-secret', client_id])
    for (const hint of ['-xyz', '--ab']) {
      const named = await db.query(
        `UPDATE client_secrets SET hint = $2 WHERE id =
           (SELECT id FROM client_secrets WHERE client_id = $1 ORDER BY created_at LIMIT 1)`,
        [client_id, hint],
      )
      expect(named.rowCount).toBe(1)
      const bare = await gatehouse(['client', 'remove-secret', client_id, hint])
      expect([bare.code, bare.err]).toEqual([1, expect.stringContaining('add --help')])
      const removed = await started(['client', 'remove-secret', '--json', client_id, '--', hint])
      expect([removed.err, removed.code]).toEqual(['', 0])
      expect(JSON.parse(removed.out)).toEqual({ client_id, secret: hint, removed: true })
      await ok(['client', 'rotate-secret', client_id])
    }
    expect((await gatehouse(['client', 'remove-secret', '--help'])).out).toContain('write -- before it')
  })

  test('log says why requests of an app were refused', async () => {
    const { client_id } = await ok<Added>(['client', 'add', '--name', 'Refused', '--redirect-uri', uri])
    expect(await ok(['client', 'log', client_id])).toEqual([])
    expect((await gatehouse(['client', 'log', client_id])).out).toContain('No request of')
    expect((await gatehouse(['client', 'log', 'nobody'])).err).toContain('There is no client nobody')
  })

  test('disable switches an app off until enable, and says so of one that is not there', async () => {
    const { client_id: id } = await ok<Added>(['client', 'add', '--name', 'Off', '--redirect-uri', uri])
    const since = async () => (await ok<{ disabled_at: string | null }>(['client', 'show', id])).disabled_at
    expect(await ok(['client', 'disable', id])).toEqual({ client_id: id, disabled: true })
    expect(await since()).toMatch(/^\d{4}-/)
    const { code, out } = await gatehouse(['client', 'enable', id])
    expect([code, out]).toEqual([0, `${id} is on again.\n`])
    expect(await since()).toBeNull()
    for (const verb of ['disable', 'enable']) {
      const wrong = await gatehouse(['client', verb, 'nobody'])
      expect([wrong.code, wrong.err]).toEqual([1, 'There is no such client.\n'])
    }
  })

  test('remove takes it away, once', async () => {
    const { client_id } = await ok<Added>(['client', 'add', '--name', 'Gone', '--redirect-uri', uri])
    expect((await gatehouse(['client', 'remove', client_id])).code).toBe(0)
    const again = await gatehouse(['client', 'remove', client_id])
    expect([again.code, again.err]).toEqual([1, 'There is no such client.\n'])
  })
})

describe('user', () => {
  test('closes an account, keeps it, and brings the day forward on which it is erased', async () => {
    type User = { id: string; status: string }
    const email = 'leaving@example.com'
    const { id } = await ok<User>(['user', 'add', '--email', email, '--verified', '--no-password', '--json'])
    expect((await gatehouse(['user', 'keep', email])).err).toContain('no closed account')
    expect((await gatehouse(['user', 'remove', email])).out).toContain(`gatehouse user keep ${id}`)
    const { code, err } = await gatehouse(['user', 'remove', email])
    expect([code, err]).toEqual([1, expect.stringContaining('closed already')])
    expect((await gatehouse(['user', 'show', email])).code).toBe(1)
    expect((await gatehouse(['user', 'closed'])).out).toContain(email)
    expect(await ok(['user', 'keep', email])).toMatchObject({ id, status: 'active' })
    expect(await ok(['user', 'remove', id])).toMatchObject({ id, status: 'closed' })
    expect((await gatehouse(['user', 'remove', email, '--now'])).out).toContain('within the hour')
    const { items } = await ok<{ items: { id: string; erase_at: string }[] }>(['user', 'closed'])
    expect(Date.parse(items.find((one) => one.id === id)?.erase_at ?? '')).toBeLessThanOrEqual(Date.now())
    // Brought forward at once, it cannot be kept by its person: the mail has no link.
    const other = 'sacked@example.com'
    await ok(['user', 'add', '--email', other, '--verified', '--no-password'])
    expect((await gatehouse(['user', 'remove', other, '--now'])).out).toContain('erases it within the hour')
    expect((await gatehouse(['user', 'remove', 'nobody@example.com'])).code).toBe(1)
  })

  type User = { id: string; email: string; status: string; email_verified: boolean }
  const password = 'a quiet harbour at dawn'

  test('add takes the password from standard input, so that no list of processes shows it', async () => {
    const add = ['user', 'add', '--email', 'Ada@Example.com', '--verified', '--json']
    const { code, out } = await started(add, { stdin: `${password}\n` })
    expect(code).toBe(0)
    const made = JSON.parse(out) as User
    expect(made).toMatchObject({ status: 'active', email_verified: true })
    const { rows } = await db.query('SELECT hash FROM passwords WHERE user_id = $1', [made.id])
    expect(rows[0].hash).toMatch(/^\$argon2id\$/)
    const pending = await ok<User>(['user', 'add', '--email', 'bob@example.com', '--password', password])
    expect(pending).toMatchObject({ status: 'pending', email_verified: false })
  })

  test('add refuses a taken address, a weak password, a missing one and a list of addresses', async () => {
    for (const [args, stdin] of [
      [['--email', 'ada@example.com', '--verified'], password],
      [['--email', 'eve@example.com'], 'password1'],
      [['--email', 'eve@example.com'], ''],
      [['--email', 'eve@example.com,bob@example.com'], password],
    ] as const) {
      const { code, err } = await gatehouse(['user', 'add', ...args], { stdin })
      expect([args, code]).toEqual([args, 1])
      expect(err.trim().split('\n').length).toBeLessThanOrEqual(2)
    }
    expect((await gatehouse(['user', 'show', 'eve@example.com'])).code).toBe(1)
  })

  test('list, show, disable and enable', async () => {
    const { items } = await ok<{ items: User[] }>(['user', 'list', '--query', 'ada'])
    expect(items.map((u) => u.email)).toEqual(['Ada@example.com'])
    const id = items[0]?.id ?? ''
    await db.query(
      `INSERT INTO sessions (user_id, session_version, method, amr, acr, auth_at, expires_at, idle_seconds)
       VALUES ($1, 1, 'password', '{pwd}', '1', now(), now() + interval '1 day', 3600)`,
      [id],
    )
    expect((await gatehouse(['user', 'show', id])).out).toMatch(/live sessions\s+1/)
    await withApp(id)
    await db.query(
      `INSERT INTO personal_access_tokens (user_id, name, token_hash, scopes, expires_at)
       VALUES ($1, 'Nightly export', 'x', '{openid}', now() + interval '1 day')`,
      [id],
    )
    await db.query(`UPDATE clients SET settings = '{"entryRoles": ["staff"]}' WHERE id = 'told'`)
    await db.query(`INSERT INTO roles (name) VALUES ('staff') ON CONFLICT DO NOTHING`)
    await db.query(`INSERT INTO user_roles (user_id, role_name) VALUES ($1, 'staff')`, [id])
    await ok(['user', 'roles', id, '--set', 'none'])
    expect(await owedToApps(id)).toBe(1)
    await db.query(`UPDATE clients SET settings = '{}' WHERE id = 'told'`)
    const off = await ok<{ sessions_revoked: number }>([
      'user',
      'disable',
      'ada@example.com',
      '--reason',
      'left',
    ])
    expect(off).toMatchObject({ status: 'disabled', sessions_revoked: 1 })
    expect(await owedToApps(id)).toBe(2)
    expect((await gatehouse(['user', 'show', id])).out).toContain('disabled (left)')
    expect(await ok(['user', 'enable', id])).toMatchObject({ status: 'active' })
    const live = 'SELECT 1 FROM personal_access_tokens WHERE user_id = $1 AND revoked_at IS NULL'
    expect((await db.query(live, [id])).rows).toEqual([])
  })

  test('reset-factors takes every second factor and the sessions, once, and leaves the password', async () => {
    const email = 'factors@example.com'
    const { id } = await ok<User>(['user', 'add', '--email', email, '--verified'], { stdin: `${password}\n` })
    await db.query(`INSERT INTO totps (user_id, name, secret_sealed) VALUES ($1, 'Phone', 'v1.x.y')`, [id])
    await db.query(
      `INSERT INTO sessions (user_id, session_version, method, amr, acr, auth_at, expires_at, idle_seconds)
       SELECT id, session_version, 'password', '{pwd}', 'aal1', now(), now() + interval '1 day', 3600
       FROM users WHERE id = $1`,
      [id],
    )
    const listed = await gatehouse(['user', 'factors', email])
    expect(listed.out).toMatch(/authenticator app\s+Phone/)
    expect(listed.out).not.toContain('v1.x.y')
    const before = await ok(['user', 'factors', email])
    expect(before).toMatchObject({ id, password: true, totp: [{ name: 'Phone' }], passkeys: [] })
    const done = await ok(['user', 'reset-factors', email, '--reason', 'lost the phone'])
    expect(done).toEqual({
      id,
      removed: { totp: 1, passkeys: 0, security_keys: 0, backup_codes: 0 },
      sessions_revoked: 1,
    })
    const shown = await ok<{ factors: object; sessions: unknown[] }>(['user', 'show', email])
    expect(shown).toMatchObject({ factors: { password: true, totp: 0 }, sessions: [] })
    const owed = await db.query(`SELECT 1 FROM deliveries WHERE user_id = $1 AND kind = 'mail'`, [id])
    expect(owed.rowCount).toBe(1)
    const again = await gatehouse(['user', 'reset-factors', email])
    expect([again.code, again.err]).toEqual([1, `${email} has no second factor.\n`])
  })

  test('release-phone takes a number from whoever confirmed it, once, and owes them a mail', async () => {
    const number = '+4915112345678'
    const { rows } = await db.query(
      `SELECT user_id, address FROM emails WHERE verified_at IS NOT NULL LIMIT 1`,
    )
    const [{ user_id: userId }] = rows
    await db.query(
      'INSERT INTO phones (user_id, number, is_primary, verified_at) VALUES ($1, $2, true, now())',
      [userId, number],
    )
    const released = await ok(['user', 'release-phone', '+49 1511 2345678'])
    expect(released).toEqual({ number: '+49 1511 2345678', user_id: userId })
    const { rows: left } = await db.query('SELECT 1 FROM phones WHERE number = $1', [number])
    expect(left).toEqual([])
    const { rows: owed } = await db.query(
      `SELECT 1 FROM deliveries WHERE user_id = $1 AND kind = 'mail' AND target LIKE 'security_notice%'`,
      [userId],
    )
    expect(owed).toHaveLength(1)
    const again = await gatehouse(['user', 'release-phone', number])
    expect(again).toMatchObject({ code: 1, out: '' })
    expect(again.err).toContain('Nobody has confirmed')
  })

  test('terminal_escapes_in_names_stay_text', async () => {
    await ok(['user', 'add', '--email', 'esc@example.com', '--no-password', '--verified'])
    await db.query(
      `UPDATE profiles SET display_name = E'\\x1b[2J\\x1b]0;owned\\x07evil' WHERE user_id =
         (SELECT user_id FROM emails WHERE address = 'esc@example.com')`,
    )
    const { out } = await gatehouse(['user', 'list'])
    expect(out).toContain('evil')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(out).not.toMatch(/[\u001b\u0007]/)
  })
})

/** An app of its own for each session of a person, which is to be told when the session ends. */
async function withApp(userId: string): Promise<void> {
  await db.query(
    `INSERT INTO clients (id, name, metadata) VALUES ('told', 'Told', '{"backchannel_logout_uri": "http://localhost:1/out"}')
     ON CONFLICT DO NOTHING`,
  )
  await db.query(
    `INSERT INTO session_clients (session_id, client_id, sid) SELECT id, 'told', 'sid-' || id FROM sessions WHERE user_id = $1`,
    [userId],
  )
}

const owedToApps = async (userId: string): Promise<number> => {
  const owed = await db.query(`SELECT 1 FROM deliveries WHERE user_id = $1 AND kind = 'backchannel_logout'`, [
    userId,
  ])
  return owed.rowCount ?? 0
}

describe('session', () => {
  test('list and revoke, one and all', async () => {
    const { id } = await ok<{ id: string }>([
      'user',
      'add',
      '--email',
      'cy@example.com',
      '--no-password',
      '--verified',
    ])
    await db.query(
      `INSERT INTO sessions (user_id, session_version, method, amr, acr, auth_at, expires_at, idle_seconds)
       SELECT $1, 1, 'password', '{pwd}', '1', now(), now() + interval '1 day', 3600 FROM generate_series(1, 3)`,
      [id],
    )
    const rows = await ok<{ sid: string }[]>(['session', 'list', 'cy@example.com'])
    expect(rows).toHaveLength(3)
    await withApp(id)
    const sid = rows[0]?.sid ?? ''
    expect(await ok(['session', 'revoke', sid])).toEqual({ revoked: [sid], more: false, unknown: [] })
    expect(await owedToApps(id)).toBe(1)
    expect((await gatehouse(['session', 'revoke', sid])).code).toBe(1)
    expect((await ok<{ revoked: string[] }>(['session', 'revoke', '--user', id])).revoked).toHaveLength(2)
    expect(await owedToApps(id)).toBe(3)
    expect(await ok(['session', 'list', id])).toEqual([])
    const { rows: events } = await db.query(
      `SELECT actor, data->>'reason' AS reason FROM events WHERE type = 'session.revoked' AND user_id = $1`,
      [id],
    )
    expect(events).toEqual(Array.from({ length: 3 }, () => ({ actor: 'operator', reason: 'operator' })))
  })
})

describe('key', () => {
  test('rotate makes the next key the active one and keeps the old published', async () => {
    type Key = { kid: string; algorithm: string; status: string }
    const es256 = (keys: Key[], status: string) =>
      keys.find((k) => k.algorithm === 'ES256' && k.status === status)?.kid
    const first = await ok<Key[]>(['key', 'rotate', '--now'])
    const second = await ok<Key[]>(['key', 'rotate', '--algorithm', 'ES256', '--now'])
    expect(es256(second, 'active')).toBe(es256(first, 'next'))
    expect(es256(await ok<Key[]>(['key', 'list']), 'retired')).toBeDefined()
    expect(second.filter((k) => k.algorithm === 'RS256')).toEqual(
      first.filter((k) => k.algorithm === 'RS256'),
    )
    expect((await gatehouse(['key', 'rotate', '--algorithm', 'none'])).code).toBe(1)
    // The next one was published a moment ago.
    const early = await gatehouse(['key', 'rotate'])
    expect([early.code, early.err]).toEqual([1, expect.stringContaining('apps may not know the next')])
    const shown = (await gatehouse(['key', 'list'])).out
    for (const word of ['signs until 20', 'published until 20', 'signs after']) expect(shown).toContain(word)
    expect(JSON.stringify(second)).not.toMatch(/private|sealed/)
  })
})

describe('doctor', () => {
  type Report = { ok: boolean; checks: { name: string; state: string; message: string; hint?: string }[] }
  const states = (report: Report) => Object.fromEntries(report.checks.map((c) => [c.name, c.state]))

  test('finds nothing but that the portal does not run', async () => {
    expect(states(await ok<Report>(['doctor']))).toEqual({
      config: 'ok',
      safety: 'ok',
      database: 'ok',
      migrations: 'ok',
      redis: 'ok',
      clock: 'ok',
      deliveries: 'ok',
      keys: 'ok',
      sms: 'ok',
      mail: 'ok',
      issuer: 'warn',
    })
  })

  test('says what is wrong and how to mend it, and exits with 1', async () => {
    for (const [env, name, says] of [
      [{ PORT: 'x' }, 'config', 'PORT'],
      [{ DATABASE_URL: 'postgresql://x:y@127.0.0.1:1/z' }, 'stores', '127.0.0.1:1'],
      [{ REDIS_URL: 'redis://127.0.0.1:1' }, 'stores', '127.0.0.1:1'],
      [{ SMTP_URL: 'smtp://127.0.0.1:1' }, 'mail', 'ECONNREFUSED'],
      [{ GATEHOUSE_URL: 'https://id.example.invalid' }, 'safety', 'GATEHOUSE_SECRET'],
    ] as const) {
      const { code, out } = await gatehouse(['doctor', '--json'], { env })
      const report = JSON.parse(out) as Report
      const check = report.checks.find((c) => c.name === name)
      expect([env, code, check?.state]).toEqual([env, 1, 'fail'])
      expect(check?.message).toContain(says)
      expect(check?.hint).toBeTruthy()
    }
    const { out } = await gatehouse(['doctor'], { env: { SMTP_URL: 'smtp://127.0.0.1:1' } })
    expect(out).toMatch(/✗ mail/)
    expect(out).toContain('→ Check host, port')
  })

  test('people_of_the_demonstration_behind_a_public_address_are_warned_of', async () => {
    const report = async (env = {}) =>
      JSON.parse((await gatehouse(['doctor', '--json'], { env })).out) as Report
    const demo = async (env = {}) => (await report(env)).checks.find(({ name }) => name === 'demo')
    const env = { GATEHOUSE_URL: 'https://id.example.invalid' }
    const [email, other] = ['grace@example.com', 'ada@example.com']
    for (const one of [email, other]) await gatehouse(['user', 'disable', one])
    expect(await demo(env)).toBeUndefined()
    await gatehouse([
      'user',
      'add',
      '--email',
      email,
      '--verified',
      '--password',
      'robin-anchor-carbon-arrow-74',
    ])
    await ok(['user', 'enable', email])
    expect(await demo()).toBeUndefined()
    expect(await demo(env)).toMatchObject({
      state: 'warn',
      message: `${email} may still sign in, with passwords made for trying out`,
      hint: `gatehouse user disable ${email}`,
    })
  })

  test('warns of a key that signs for too long, and says how to mend it', async () => {
    await db.query(
      `UPDATE signing_keys SET created_at = created_at - interval '91 days', active_at = active_at - interval '91 days'
       WHERE algorithm = 'RS256'`,
    )
    const keys = async (env = {}) =>
      (await ok<Report>(['doctor'], { env })).checks.find(({ name }) => name === 'keys')
    expect(await keys()).toMatchObject({
      state: 'warn',
      message: expect.stringMatching(/^overdue: RS256 since 20/),
      hint: expect.stringContaining('gatehouse key rotate'),
    })
    expect(await keys({ KEY_ROTATION_DAYS: '0' })).toMatchObject({
      state: 'ok',
      message: expect.stringContaining('rotated by hand alone'),
    })
    await ok(['key', 'rotate', '--algorithm', 'RS256'])
    expect((await keys())?.state).toBe('ok')
  })

  test('warns of keys with times in the future, and says how to mend them', async () => {
    await db.query(
      `UPDATE signing_keys SET active_at = active_at + interval '1 year' WHERE algorithm = 'EdDSA' AND status = 'active'`,
    )
    const keys = async () => (await ok<Report>(['doctor'])).checks.find(({ name }) => name === 'keys')
    expect(await keys()).toMatchObject({
      state: 'warn',
      message: expect.stringMatching(/^times in the future: EdDSA \(active\) 2/),
      hint: expect.stringContaining('gatehouse key redate'),
    })
    expect((await ok<string[]>(['key', 'redate'])).length).toBe(1)
    expect((await gatehouse(['key', 'redate'])).out).toContain('No key has a time in the future.')
    expect((await keys())?.state).toBe('ok')
  })

  test('names the variable that keeps a provider out, and goes on', async () => {
    const { code, out } = await gatehouse(['doctor'], {
      env: {
        PROVIDERS: 'github,discord',
        PROVIDER_DISCORD_CLIENT_ID: 'x',
        PROVIDER_DISCORD_CLIENT_SECRET: 'y',
      },
    })
    expect(code).toBe(1)
    expect(out).toContain(
      '✗ provider   PROVIDER_GITHUB_CLIENT_ID is not set, but github is in PROVIDERS and needs it.',
    )
    expect(out).toContain('✓ provider   Discord is configured')
    expect(out).toContain('✓ redis')
  })

  test('any other command says in one sentence that a store is away', async () => {
    const { code, err } = await started(['user', 'list'], {
      env: { DATABASE_URL: 'postgresql://x:y@127.0.0.1:1/z' },
    })
    expect([code, err.trim().split('\n').length]).toEqual([1, 1])
    expect(err).toContain('127.0.0.1:1')
  })
})
