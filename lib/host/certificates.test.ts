/**
 * Mutual TLS (RFC 8705) as it is in production: a proxy that ends TLS, the portal's host behind it, and apps that show
 * certificates. A real client library goes the whole way; the rest is what must not go.
 */
import { randomUUID } from 'node:crypto'
import { createServer as createPlain, request as plain, type Server } from 'node:http'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as client from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { setClock } from '../base/clock'
import { env, reloadEnv } from '../base/env'
import { checkCertificates } from '../cli/checks-outside'
import * as oidc from '../oidc'
import { type App, newApp, obtainCode } from '../oidc/testing/app'
import { type Made, newCertificate, written } from '../oidc/testing/certificates'
import { Browser, type Portal, startPortal } from '../oidc/testing/harness'
import { newUser } from '../oidc/testing/people'
import { useStores } from '../testing'
import { TLS } from '../testing/tls'
import { type ListeningHost, listeningHost } from './host.fixture'

const stores = useStores()
const MACHINE = { redirectUris: [], grants: ['client_credentials' as const] }
const API = 'https://orders.example.com'

let portal: Portal
let host: ListeningHost
let user: string
let authority: Made
let stranger: Made
/** What the app shows that the authority vouches for. */
let vouched: Made
/** What apps have made themselves. */
let own: Made
let expired: Made

const SETTINGS = [
  'TRUSTED_PROXIES',
  'CLIENT_CERTIFICATE_HEADER',
  'CLIENT_CERTIFICATE_CA',
  'CLIENT_CERTIFICATE_ORIGIN',
]
let settings: Record<string, string> = {}

/** As the operator has it, or otherwise for one test. */
function configure(other: Record<string, string | undefined> = {}): void {
  for (const name of SETTINGS) delete process.env[name]
  for (const [name, value] of Object.entries({ ...settings, ...other }))
    if (value !== undefined) process.env[name] = value
  reloadEnv()
}

const portOf = (server: { address(): AddressInfo | string | null }) => (server.address() as AddressInfo).port

/** The proxy: it asks for a certificate, takes any, strips what was written in its place, and hands over the one. */
const proxy = createServer({ ...TLS, requestCert: true, rejectUnauthorized: false }, (req, res) => {
  const { 'client-cert': _, ...headers } = req.headers
  const shown = (req.socket as TLSSocket).getPeerCertificate().raw
  if (shown) headers['client-cert'] = `:${shown.toString('base64')}:`
  headers.host = new URL(portal.url).host
  const to = { port: host.port, method: req.method, path: req.url, headers }
  req.pipe(
    plain(to, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res)
    }),
  )
})

beforeAll(async () => {
  authority = await newCertificate({ subject: [{ CN: ['Authority'] }], authority: true })
  stranger = await newCertificate({ subject: [{ CN: ['Authority'] }], authority: true })
  vouched = await newCertificate({
    subject: [{ O: ['Example'] }, { CN: ['reports'] }],
    names: [{ type: 'dns', value: 'reports.example.com' }],
    by: authority,
  })
  own = await newCertificate({ subject: [{ CN: ['own'] }] })
  expired = await newCertificate({ subject: [{ CN: ['own'] }], from: -7200, to: -3600 })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  settings = {
    TRUSTED_PROXIES: 'loopback',
    CLIENT_CERTIFICATE_HEADER: 'client-cert',
    CLIENT_CERTIFICATE_CA: authority.pem,
    CLIENT_CERTIFICATE_ORIGIN: `https://127.0.0.1:${portOf(proxy)}`,
    CLIENT_REGISTRATION: 'open',
  }
  configure()
  portal = await startPortal()
  user = await newUser(stores.sql)
  host = await listeningHost({
    oidc: oidc.handle,
    documents: oidc.serveDocument,
    management: oidc,
    providerTokens: { access: oidc.access, tokenOf: async () => Promise.reject(new Error('not here')) },
  })
  await oidc.resources.add({ id: API, name: 'Orders', scopes: [{ name: 'orders:read' }], format: 'jwt' })
})
afterEach(() => {
  setClock(null)
  configure()
})
afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await host.drain(0)
  await portal.stop()
})

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: JSON from the wire, judged by the test
  json: any
}

/** What a proxy sends, and whoever gets past it: these headers, to the portal's host itself. */
function send(
  path: string,
  headers: Record<string, string | string[]>,
  fields?: Record<string, string>,
): Promise<Answer> {
  const body = fields && new URLSearchParams(fields).toString()
  return new Promise((resolve, reject) => {
    const { host: name } = new URL(portal.url)
    const form = body && { 'content-type': 'application/x-www-form-urlencoded' }
    const options = { port: host.port, path, method: body ? 'POST' : 'GET' }
    const req = plain({ ...options, headers: { host: name, ...form, ...headers } }, (res) => {
      let text = ''
      res.on('data', (chunk) => {
        text += chunk
      })
      res.on('end', () =>
        resolve({ status: res.statusCode ?? 0, json: text.startsWith('{') ? JSON.parse(text) : text }),
      )
    })
    req.on('error', reject)
    req.end(body)
  })
}

const shows = (made: Made | null): Record<string, string> =>
  made ? { 'client-cert': written.rfc9440(made) } : {}

const machineToken = (app: App, header: Record<string, string | string[]>) =>
  send('/oidc/token', header, {
    grant_type: 'client_credentials',
    client_id: app.clientId,
    resource: API,
  })

/** A machine that a certificate proves. */
const machine = (input: Partial<oidc.NewClient>) =>
  newApp({ ...MACHINE, resources: [{ resource: API }], ...input })
const ownMachine = (input: Partial<oidc.NewClient> = {}) =>
  machine({ authMethod: 'self_signed_tls_client_auth', jwks: { keys: [own.jwk] }, ...input })
const vouchedMachine = (certificateSubject = 'dns:reports.example.com') =>
  machine({ authMethod: 'tls_client_auth', certificateSubject })

const refusedAt = ({ status, json }: Answer) => [status, json.error]
const NOBODY = [401, 'invalid_client']

describe('openid-client', () => {
  /** Its requests, with the app's certificate where they are TLS. */
  const fetchWith =
    (made: Made): client.CustomFetch =>
    async (url, { method, headers, body }) => {
      if (!url.startsWith('https:'))
        return fetch(url, { method, headers, ...(body && { body: body as never }) })
      return new Promise<Response>((resolve, reject) => {
        const tls = { key: made.key, cert: made.pem, rejectUnauthorized: false, agent: false as const }
        const req = request(
          url,
          { method, headers: headers as Record<string, string>, ...tls },
          async (res) => {
            const chunks: Buffer[] = []
            for await (const chunk of res) chunks.push(chunk as Buffer)
            const told = new Headers({ 'content-type': res.headers['content-type'] ?? '' })
            resolve(new Response(Buffer.concat(chunks), { status: res.statusCode ?? 502, headers: told }))
          },
        )
        req.on('error', reject)
        req.end(body ? String(body) : undefined)
      })
    }

  test.each<[string, Partial<oidc.NewClient>, () => Made]>([
    ['tls_client_auth', { certificateSubject: 'dn:CN=reports,O=Example', security: 'dpop' }, () => vouched],
    ['self_signed_tls_client_auth', { security: 'fapi2' }, () => own],
  ])(
    'signs in, reads, refreshes and introspects by %s, and by nothing else',
    async (authMethod, input, made) => {
      const keys = authMethod === 'tls_client_auth' ? {} : { jwks: { keys: [own.jwk] } }
      const app = await newApp({ authMethod: authMethod as never, certificateBound: true, ...keys, ...input })
      const configured = async (showing: Made) => {
        const config = await client.discovery(
          new URL(portal.issuer),
          app.clientId,
          { use_mtls_endpoint_aliases: true },
          client.TlsClientAuth(),
          { execute: [client.allowInsecureRequests], [client.customFetch]: fetchWith(showing) },
        )
        config[client.customFetch] = fetchWith(showing)
        return config
      }
      const config = await configured(made())
      const thief = await configured(await newCertificate({ subject: made().name.toJSON() }))
      const pkceCodeVerifier = client.randomPKCECodeVerifier()
      const start = await client.buildAuthorizationUrlWithPAR(config, {
        redirect_uri: app.redirectUri,
        scope: 'openid profile',
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      })
      const browser = new Browser(portal)
      let at = await browser.signIn(user, await browser.go(start))
      if (at.url.pathname === '/consent') at = await browser.allow(at)
      await expect(client.authorizationCodeGrant(thief, at.url, { pkceCodeVerifier })).rejects.toMatchObject({
        error: 'invalid_client',
      })
      const tokens = await client.authorizationCodeGrant(config, at.url, { pkceCodeVerifier })
      expect((await client.fetchUserInfo(config, tokens.access_token, user)).name).toBe('Ada Lovelace')
      await expect(client.fetchUserInfo(thief, tokens.access_token, user)).rejects.toThrow()
      const next = await client.refreshTokenGrant(config, tokens.refresh_token ?? '')
      await expect(client.fetchUserInfo(thief, next.access_token, user)).rejects.toThrow()
      const { fingerprint256 } = made().certificate
      const thumbprint = Buffer.from(fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
      expect(await client.tokenIntrospection(config, next.access_token)).toMatchObject({
        active: true,
        cnf: { 'x5t#S256': thumbprint },
      })
    },
  )

  test('discovery_says_what_there_is', async () => {
    const { json } = await send('/oidc/.well-known/openid-configuration', {})
    const methods = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth']
    expect(json).toMatchObject({
      token_endpoint: `${portal.issuer}/token`,
      token_endpoint_auth_methods_supported: expect.arrayContaining(methods),
      introspection_endpoint_auth_methods_supported: expect.arrayContaining(methods),
      tls_client_certificate_bound_access_tokens: true,
      mtls_endpoint_aliases: {
        token_endpoint: `${settings.CLIENT_CERTIFICATE_ORIGIN}/oidc/token`,
        userinfo_endpoint: `${settings.CLIENT_CERTIFICATE_ORIGIN}/oidc/userinfo`,
      },
    })
  })
})

describe('a certificate counts', () => {
  test.each(Object.entries(written))('as_proxies_write_it: %s', async (_, write) => {
    const app = await ownMachine()
    expect((await machineToken(app, { 'client-cert': write(own) })).status).toBe(200)
    // Nobody signed for it, so the other way is not open to it.
    expect(refusedAt(await machineToken(await vouchedMachine(), { 'client-cert': write(own) }))).toEqual(
      NOBODY,
    )
  })

  test('from_a_peer_that_is_no_trusted_proxy_as_nothing', async () => {
    const app = await ownMachine()
    configure({ TRUSTED_PROXIES: '10.0.0.1' })
    expect(refusedAt(await machineToken(app, shows(own)))).toEqual(NOBODY)
    const forged = { ...shows(own), 'x-forwarded-for': '10.0.0.1' }
    expect(refusedAt(await machineToken(app, forged))).toEqual(NOBODY)
    expect((await send('/oidc/client-certificate', forged)).json).toEqual({ certificate: null })
  })

  test('in_another_header_as_nothing', async () => {
    const app = await ownMachine()
    for (const name of ['x-ssl-client-cert', 'x-forwarded-tls-client-cert', 'client_cert'])
      expect(refusedAt(await machineToken(app, { [name]: written.rfc9440(own) }))).toEqual(NOBODY)
  })

  test('two_header_values_are_nothing', async () => {
    const app = await ownMachine()
    const one = written.rfc9440(own)
    const all = [[one, one], [written.rfc9440(vouched), one], `${one},${one}`, ['', one], `${one},`]
    for (const value of all)
      expect(refusedAt(await machineToken(app, { 'client-cert': value }))).toEqual(NOBODY)
  })

  test('garbage_is_nothing_and_no_500', async () => {
    const app = await ownMachine()
    const der = own.certificate.raw
    const all = {
      'a word': 'certificate',
      'no base64': ':%%%:',
      'half of it': `:${der.subarray(0, der.length / 2).toString('base64')}:`,
      'more behind it': `:${Buffer.concat([der, Buffer.from('more')]).toString('base64')}:`,
      'PEM within': `:${Buffer.from(own.pem).toString('base64')}:`,
      'two as PEM': encodeURIComponent(own.pem + own.pem),
      'a key': encodeURIComponent(own.key),
      'PEM of spaces': `${encodeURIComponent('-----BEGIN CERTIFICATE-----')}${'%20'.repeat(3900)}!`,
      'a broken escape': '%E0%A4%A',
      'too long': `:${'A'.repeat(13_000)}:`,
      'nothing of a proxy that writes it always': '::',
      empty: '',
    }
    for (const [what, value] of Object.entries(all)) {
      const answer = await machineToken(app, { 'client-cert': value })
      expect([what, ...refusedAt(answer)]).toEqual([what, ...NOBODY])
      expect((await send('/oidc/client-certificate', { 'client-cert': value })).json.certificate).toBeNull()
    }
  })

  test('and_why_it_does_not_is_told_to_whoever_showed_it_and_to_its_developers', async () => {
    const app = await ownMachine()
    await machineToken(app, { 'client-cert': 'no certificate' })
    const why = 'the client certificate is in no form that is known'
    await expect.poll(async () => (await oidc.clients.log(app.clientId))[0]?.detail).toBe(why)
    const see = async (made: Made | null) => (await send('/oidc/client-certificate', shows(made))).json
    expect(await see(null)).toEqual({ certificate: null })
    expect((await see(expired)).problem).toContain('expired')
    expect((await see(own)).certificate).toMatchObject({ subjects: ['dn:CN=own'], vouched: false })
    expect((await see(vouched)).certificate).toMatchObject({
      subjects: ['dn:CN=reports,O=Example', 'dns:reports.example.com'],
      vouched: true,
    })
  })
})

describe('who proves themselves', () => {
  test('self_signed_tls_client_auth: the_right_certificate_alone', async () => {
    const app = await ownMachine()
    expect((await machineToken(app, shows(own))).json.access_token).toBeTruthy()
    const sameKey = await newCertificate({ subject: [{ CN: ['own'] }] })
    for (const wrong of [null, vouched, sameKey])
      expect(refusedAt(await machineToken(app, shows(wrong)))).toEqual(NOBODY)
    // By a secret, or by nothing but its name, it is nobody either.
    const secret = { authorization: `Basic ${Buffer.from(`${app.clientId}:x`).toString('base64')}` }
    expect(refusedAt(await machineToken(app, { ...shows(own), ...secret }))).toEqual(NOBODY)
  })

  test('self_signed_tls_client_auth: certificates_at_an_address_of_the_app', async () => {
    const keys = createPlain((_req, res) => res.end(JSON.stringify({ keys: [vouched.jwk, own.jwk] })))
    await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve))
    const app = await ownMachine({ jwks: undefined, jwksUri: `http://127.0.0.1:${portOf(keys)}/jwks` })
    for (const made of [own, vouched]) expect((await machineToken(app, shows(made))).status).toBe(200)
    expect(refusedAt(await machineToken(app, shows(await newCertificate())))).toEqual(NOBODY)
    keys.closeAllConnections()
    keys.close()
  })

  test('tls_client_auth: of_the_authority_for_the_subject_and_for_clients', async () => {
    const app = await vouchedMachine()
    expect((await machineToken(app, shows(vouched))).json.access_token).toBeTruthy()
    const names = [{ type: 'dns' as const, value: 'reports.example.com' }]
    const client = await newCertificate({ names, by: authority, purposes: ['1.3.6.1.5.5.7.3.2'] })
    expect((await machineToken(app, shows(client))).status).toBe(200)
    const wrong = {
      'for another': await newCertificate({
        names: [{ type: 'dns', value: 'x.example.com' }],
        by: authority,
      }),
      'of its own': await newCertificate({ names }),
      'of another authority by the same name': await newCertificate({ names, by: stranger }),
      'of somebody whom the authority vouches for': await newCertificate({ names, by: vouched }),
      'for servers': await newCertificate({ names, by: authority, purposes: ['1.3.6.1.5.5.7.3.1'] }),
    }
    for (const [what, made] of Object.entries(wrong))
      expect([what, ...refusedAt(await machineToken(app, shows(made)))]).toEqual([what, ...NOBODY])
  })

  test('an_authority_outside_its_dates_vouches_for_nobody', async () => {
    const old = await newCertificate({ subject: [{ CN: ['Old'] }], authority: true, from: -7200, to: -60 })
    const made = await newCertificate({ names: [{ type: 'dns', value: 'reports.example.com' }], by: old })
    configure({ CLIENT_CERTIFICATE_CA: authority.pem + old.pem })
    const app = await vouchedMachine()
    expect(refusedAt(await machineToken(app, shows(made)))).toEqual(NOBODY)
    expect((await machineToken(app, shows(vouched))).status).toBe(200)
    setClock(() => Date.now() - 600_000)
    expect((await machineToken(app, shows(made))).status).toBe(200)
  })

  test('expired_certificates_are_refused_by_both_methods', async () => {
    const byKeys = await ownMachine({ jwks: { keys: [expired.jwk] } })
    expect(refusedAt(await machineToken(byKeys, shows(expired)))).toEqual(NOBODY)
    const byAuthority = await vouchedMachine()
    const mine = await ownMachine()
    setClock(() => Date.now() + 2 * 86_400_000)
    expect(refusedAt(await machineToken(byAuthority, shows(vouched)))).toEqual(NOBODY)
    expect(refusedAt(await machineToken(mine, shows(own)))).toEqual(NOBODY)
    setClock(() => Date.now() - 86_400_000)
    expect(refusedAt(await machineToken(mine, shows(own)))).toEqual(NOBODY)
  })
})

describe('bound tokens', () => {
  const signedIn = async (app: App, header: Record<string, string>, more: Record<string, string> = {}) => {
    const browser = new Browser(portal)
    const { code, verifier } = await obtainCode(browser, app, user, { prompt: 'consent' })
    const redeemed = await send('/oidc/token', header, {
      grant_type: 'authorization_code',
      client_id: app.clientId,
      code,
      code_verifier: verifier,
      redirect_uri: app.redirectUri,
      ...more,
    })
    return redeemed
  }
  const userinfo = async (token: string, made: Made | null) =>
    (await send('/oidc/userinfo', { authorization: `Bearer ${token}`, ...shows(made) })).status
  const refreshed = (app: App, refresh_token: string, made: Made | null, more: Record<string, string> = {}) =>
    send('/oidc/token', shows(made), {
      grant_type: 'refresh_token',
      client_id: app.clientId,
      refresh_token,
      ...more,
    })

  test('of_an_app_without_a_secret_are_good_with_the_certificate_alone_and_so_is_its_refresh_token', async () => {
    const app = await newApp({ authMethod: 'none', certificateBound: true })
    expect((await signedIn(app, {})).json.error).toBe('invalid_grant')
    const { json } = await signedIn(app, shows(own))
    expect(await userinfo(json.access_token, own)).toBe(200)
    for (const made of [null, vouched, expired]) expect(await userinfo(json.access_token, made)).toBe(401)
    for (const made of [null, vouched])
      expect((await refreshed(app, json.refresh_token, made)).json.error).toBe('invalid_grant')
    const next = await refreshed(app, json.refresh_token, own)
    expect(next.status).toBe(200)
    expect(await userinfo(next.json.access_token, own)).toBe(200)
    expect(await userinfo(next.json.access_token, vouched)).toBe(401)
    expect((await refreshed(app, next.json.refresh_token, vouched)).json.error).toBe('invalid_grant')
    // Nor does the portal's own API take it, where no certificate is looked at.
    expect(await oidc.access(next.json.access_token)).toBeNull()
  })

  test.each([
    ['none', 400],
    ['client_secret_post', 200],
  ] as const)(
    'tokens_from_before_are_dead_once_the_app_binds_them, and of an app with %s it refreshes with %i',
    async (authMethod, status) => {
      const app = await newApp({ authMethod })
      const secret: Record<string, string> = app.clientSecret ? { client_secret: app.clientSecret } : {}
      const { json } = await signedIn(app, shows(own), secret)
      expect(await userinfo(json.access_token, null)).toBe(200)
      expect((await oidc.clients.update(app.clientId, { certificateBound: true })).ok).toBe(true)
      for (const made of [null, own]) expect(await userinfo(json.access_token, made)).toBe(401)
      // Whoever stole it from an app that nothing else proves could bind it to a certificate of their own.
      const next = await refreshed(app, json.refresh_token, own, secret)
      expect(next.status).toBe(status)
      if (status !== 200) return
      expect(await userinfo(next.json.access_token, own)).toBe(200)
      expect(await userinfo(next.json.access_token, null)).toBe(401)
    },
  )

  test('however_a_bound_token_is_shown_its_certificate_is_asked_for', async () => {
    const app = await newApp({ authMethod: 'none', certificateBound: true })
    const { json } = await signedIn(app, shows(own))
    const { access_token } = json
    for (const [made, status] of [
      [own, 200],
      [null, 401],
      [vouched, 401],
    ] as const) {
      expect((await send('/oidc/userinfo', shows(made), { access_token })).status).toBe(status)
      // In another header than the one that counts, it is not shown.
      const aside = { 'x-client-cert': written.rfc9440(own), ...shows(made) }
      expect((await send('/oidc/userinfo', aside, { access_token })).status).toBe(status)
    }
  })

  test('a_token_is_not_bound_to_a_key_and_a_certificate_at_once', async () => {
    const app = await ownMachine({ certificateBound: true })
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const dpop = await new SignJWT({ htm: 'POST', htu: `${portal.issuer}/token`, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(publicKey) })
      .setIssuedAt()
      .sign(privateKey)
    expect(refusedAt(await machineToken(app, { ...shows(own), dpop }))).toEqual([400, 'invalid_request'])
    expect(refusedAt(await machineToken(app, { dpop }))).toEqual(NOBODY)
  })

  test('tokens_for_an_api_say_what_they_are_bound_to', async () => {
    const app = await ownMachine({ certificateBound: true })
    const { json } = await machineToken(app, shows(own))
    const seen = (await send('/oidc/client-certificate', shows(own))).json.certificate
    expect(decodeJwt(json.access_token).cnf).toEqual({ 'x5t#S256': seen['x5t#S256'] })
  })

  test('the_management_api_takes_them_with_the_certificate_alone', async () => {
    const api = `${env().url}/api/admin`
    const made = await oidc.clients.add(
      {
        name: 'Provisioning',
        ...MACHINE,
        authMethod: 'self_signed_tls_client_auth',
        jwks: { keys: [own.jwk] },
        certificateBound: true,
        resources: [{ resource: api, scopes: ['clients:read'] }],
      },
      { hand: 'command_line' },
    )
    if (!made.ok) throw new Error(JSON.stringify(made.refusal))
    const fields = {
      grant_type: 'client_credentials',
      client_id: made.value.clientId,
      resource: api,
      scope: 'clients:read',
    }
    const { json } = await send('/oidc/token', shows(own), fields)
    const list = async (shown: Made | null) =>
      (
        await send('/api/admin/clients?limit=1', {
          authorization: `Bearer ${json.access_token}`,
          ...shows(shown),
        })
      ).status
    expect([await list(own), await list(vouched), await list(null)]).toEqual([200, 401, 401])
  })

  test('a_level_that_asks_for_bound_tokens_takes_a_certificate_in_place_of_a_key', async () => {
    const app = await machine({ security: 'dpop', certificateBound: true })
    const basic = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`
    const asked = { grant_type: 'client_credentials', resource: API }
    expect((await send('/oidc/token', { authorization: basic }, asked)).json.error).toBe('invalid_grant')
    expect((await send('/oidc/token', { authorization: basic, ...shows(own) }, asked)).status).toBe(200)
  })
})

describe('doctor', () => {
  /** A proxy of the public origin that does with the header what it says. */
  async function behind<T>(
    treat: (headers: Record<string, unknown>) => void,
    then: () => Promise<T>,
  ): Promise<T> {
    const server: Server = createPlain((req, res) => {
      const headers = { ...req.headers }
      treat(headers)
      req.pipe(
        plain({ port: host.port, method: req.method, path: req.url, headers }, (answer) => {
          res.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(res)
        }),
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    process.env.GATEHOUSE_URL = `http://127.0.0.1:${portOf(server)}`
    configure({ CLIENT_CERTIFICATE_ORIGIN: undefined })
    try {
      return await then()
    } finally {
      server.closeAllConnections()
      server.close()
      process.env.GATEHOUSE_URL = portal.url
    }
  }

  test.each<[string, string, string, (headers: Record<string, unknown>) => void]>([
    ['passes_it_on', 'fail', 'was believed', () => {}],
    [
      'adds_to_it',
      'fail',
      'arrives (more than one client certificate came)',
      (headers) => {
        headers['client-cert'] = [headers['client-cert'], written.rfc9440(own)]
      },
    ],
    [
      'strips_it',
      'ok',
      'does not arrive',
      (headers) => {
        delete headers['client-cert']
      },
    ],
  ])('finds_out_whether_the_proxy_believes_callers: one_that_%s', async (_, state, says, treat) => {
    const [check, ...others] = await behind(treat, checkCertificates)
    expect([check?.state, others]).toEqual([state, []])
    expect(check?.message).toContain(says)
  })

  test('says_what_it_could_not_find_out_and_nothing_where_it_is_off', async () => {
    const [there, other] = await checkCertificates()
    // It came to the portal past every proxy, and nobody vouches for the other address.
    expect([there?.state, other?.state]).toEqual(['fail', 'warn'])
    configure({
      CLIENT_CERTIFICATE_HEADER: undefined,
      CLIENT_CERTIFICATE_CA: undefined,
      CLIENT_CERTIFICATE_ORIGIN: undefined,
    })
    expect(await checkCertificates()).toEqual([])
  })
})

describe('who registers', () => {
  const refusal = async (id: string, changes: oidc.ClientChanges) => {
    const changed = await oidc.clients.update(id, changes, { hand: 'app' })
    return changed.ok ? null : [changed.refusal.code, changed.refusal.field]
  }

  test('an_app_that_manages_apps_makes_no_proof_and_no_binding_weaker_without_trust', async () => {
    const { clientId } = await newApp({
      ...{ authMethod: 'self_signed_tls_client_auth', jwks: { keys: [own.jwk] }, certificateBound: true },
    })
    expect(await refusal(clientId, { certificateBound: false })).toEqual([
      'rights_missing',
      'certificateBound',
    ])
    expect(await refusal(clientId, { authMethod: 'client_secret_basic' })).toEqual([
      'rights_missing',
      'authMethod',
    ])
    expect(await refusal(clientId, { authMethod: 'private_key_jwt' })).toBeNull()
  })

  test('an_app_registers_itself_with_a_certificate_of_its_own_and_no_other', async () => {
    const register = async (metadata: object) => {
      const body = JSON.stringify({ redirect_uris: ['https://app.example.com/cb'], ...metadata })
      const headers = { 'content-type': 'application/json' }
      const res = await fetch(`${portal.issuer}/register`, { method: 'POST', headers, body })
      return { status: res.status, json: await res.json() }
    }
    const method = (token_endpoint_auth_method: string) => ({ token_endpoint_auth_method })
    const mine = { ...method('self_signed_tls_client_auth'), jwks: { keys: [own.jwk] } }
    const made = await register({ ...mine, use_mtls_endpoint_aliases: true })
    expect([made.status, made.json.token_endpoint_auth_method]).toEqual([201, 'self_signed_tls_client_auth'])
    const { x5c: _, ...bare } = own.jwk
    const named = { ...method('tls_client_auth'), tls_client_auth_san_dns: 'reports.example.com' }
    const bound = { ...mine, tls_client_certificate_bound_access_tokens: true }
    for (const [metadata, says] of [
      [named, 'tls_client_auth is for operators to set'],
      [bound, 'tls_client_certificate_bound_access_tokens is for operators to set'],
      [{ ...mine, jwks: { keys: [bare] } }, 'x5c'],
    ] as const) {
      const { status, json } = await register(metadata)
      expect([status, json.error]).toEqual([400, 'invalid_client_metadata'])
      expect(json.error_description).toContain(says)
    }
  })
})

describe('switched off', () => {
  const off = Object.fromEntries(SETTINGS.slice(1).map((name) => [name, undefined]))
  const add = async (input: Partial<oidc.NewClient>) => {
    const added = await oidc.clients.add({ name: 'X', ...MACHINE, ...input } as oidc.NewClient)
    return added.ok ? null : [added.refusal.field, added.refusal.values?.message]
  }

  test('no_app_can_be_registered_so_and_it_is_said_why', async () => {
    configure(off)
    const why = 'no app can show a certificate here yet: set CLIENT_CERTIFICATE_HEADER'
    const keys = { authMethod: 'self_signed_tls_client_auth' as const, jwks: { keys: [own.jwk] } }
    expect(await add(keys)).toEqual(['authMethod', `authMethod: ${why}`])
    expect(await add({ certificateBound: true })).toEqual(['certificateBound', `certificateBound: ${why}`])
    configure({ CLIENT_CERTIFICATE_CA: undefined })
    const named = { authMethod: 'tls_client_auth' as const, certificateSubject: 'dns:a.example.com' }
    expect(await add(named)).toEqual([
      'authMethod',
      'authMethod: nobody vouches for certificates here: set CLIENT_CERTIFICATE_CA',
    ])
  })

  test('apps_that_show_certificates_are_off_and_the_header_is_nothing', async () => {
    const app = await ownMachine()
    expect((await machineToken(app, shows(own))).status).toBe(200)
    configure(off)
    expect(refusedAt(await machineToken(app, shows(own)))).toEqual(NOBODY)
    expect((await send('/oidc/client-certificate', shows(own))).status).toBe(404)
  })

  test.each<[string, Partial<oidc.NewClient>, string]>([
    ['without_a_subject', { authMethod: 'tls_client_auth' }, 'certificateSubject'],
    [
      'a_subject_of_no_kind',
      { authMethod: 'tls_client_auth', certificateSubject: 'x' },
      'certificateSubject',
    ],
    ['a_subject_of_another_way', { certificateSubject: 'dns:a.example.com' }, 'certificateSubject'],
    ['without_keys', { authMethod: 'self_signed_tls_client_auth' }, 'jwks'],
    [
      'keys_without_certificates',
      { authMethod: 'self_signed_tls_client_auth', jwks: { keys: [{ kty: 'EC' }] } },
      'jwks',
    ],
  ])('registered_wrongly: %s', async (_, input, field) => {
    expect((await add(input))?.[0]).toBe(field)
  })

  test('whom_a_certificate_is_for_goes_with_the_way_of_proof', async () => {
    const { clientId } = await vouchedMachine()
    const changed = await oidc.clients.update(clientId, { authMethod: 'client_secret_basic' })
    expect(changed.ok && changed.value).toMatchObject({ certificateSubject: null })
  })
})
