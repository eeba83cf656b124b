/**
 * The clinic on two real apps: the demo app, which does everything right, and one that believes whatever it is told.
 * Each mistake is one line of each table below.
 */
import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import * as jose from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { useStores } from '../testing'
import { startCarelessApp } from './careless-app.fixture'
import {
  AppUnderTest,
  CHECK_IDS,
  CHECKS,
  type CheckId,
  examine,
  keep,
  newest,
  type Result,
  StandIn,
  sum,
  verdict,
} from './index'
import { idToken, makeKey } from './tokens'

const CLIENT = { clientId: 'app-under-test', clientSecret: 'gts_not-a-secret-of-anybody' }

interface App {
  url: string
  close(): Promise<void>
}
type Start = (options: { issuer: string } & typeof CLIENT) => Promise<App>

/** Starts an app whose provider is a stand-in, and the stand-in. */
async function admit(start: Start, idTokenAlg = 'ES256', logout = ['/logout', '/logout'], press?: string) {
  const server = createServer((req, res) => void standIn.handle(req, res))
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`
  const app = await start({ issuer, ...CLIENT })
  const [back, front] = logout.map((at) => new URL(at, app.url).href)
  const patient = {
    clientId: CLIENT.clientId,
    redirectUris: [`${app.url}/callback`],
    backchannelLogoutUri: back ?? null,
    frontchannelLogoutUri: front ?? null,
    idTokenAlg,
  }
  const standIn: StandIn = await StandIn.make(patient, issuer)
  const close = async () => {
    await app.close()
    server.closeAllConnections()
    server.close()
  }
  const under = new AppUnderTest(standIn, {
    startUrl: new URL('/login', app.url),
    signedInUrl: null,
    ...(press && { press }),
  })
  return { app: under, url: app.url, issuer, close }
}

const waits: number[] = []
/** Nobody waits: what would have passed has passed. */
const wait = async (milliseconds: number) => {
  waits.push(milliseconds)
  vi.setSystemTime(Date.now() + milliseconds)
}

interface How {
  alg?: string
  logout?: string[]
  only?: readonly CheckId[]
  press?: string
}

async function examined(start: Start, { alg, logout, only, press }: How = {}): Promise<Result[]> {
  const patient = await admit(start, alg, logout, press)
  try {
    return await examine({ app: patient.app, keySeconds: 61, wait, ...(only && { only }) })
  } finally {
    await patient.close()
  }
}

const OF_DEMO_APP = ['/backchannel-logout', '/frontchannel-logout']
const startDemoApp: Start = async (options) => {
  const file = path.resolve(import.meta.dirname, '../../e2e/relying-app/app.mjs')
  return (await import(pathToFileURL(file).href)).startRelyingApp(options)
}

beforeAll(() => void vi.useFakeTimers({ toFake: ['Date'] }))
afterAll(() => void vi.useRealTimers())

const of = (results: Result[], check: CheckId) => results.find((result) => result.check === check)

describe('a careless app', () => {
  let results: Result[]
  beforeAll(async () => {
    results = await examined(startCarelessApp)
  })

  test.each(CHECK_IDS)('accepts %s, and is told so', (check) => {
    expect(of(results, check)?.outcome).toBe('accepted')
  })
})

describe('the demo app', () => {
  let results: Result[]
  beforeAll(async () => {
    results = await examined(startDemoApp, { logout: OF_DEMO_APP })
  })

  test.each(CHECK_IDS.filter((check) => CHECKS[check].expects === 'refused'))('refuses %s', (check) => {
    expect(of(results, check)?.outcome).toBe('refused')
  })

  test.each(CHECK_IDS.filter((check) => CHECKS[check].expects === 'accepted'))('accepts %s', (check) => {
    expect(of(results, check)?.outcome).toBe('accepted')
  })

  test('reads the keys again for a new one, once the last reading is a minute old', () => {
    expect(of(results, 'key_rotated')).toMatchObject({ outcome: 'accepted', note: 'after_waiting' })
    expect(waits).toEqual([61_000])
  })

  test.each(['RS256', 'EdDSA'])('does it with %s as well', async (alg) => {
    const only = ['id_at_hash', 'id_hs256_public_key', 'id_key_unknown', 'logout_alg_none'] as const
    const found = await examined(startDemoApp, { alg, logout: OF_DEMO_APP, only })
    expect(found.map(({ check }) => check)).toEqual([
      'good_sign_in',
      'id_hs256_public_key',
      'id_key_unknown',
      'id_at_hash',
      'logout_good',
      'logout_alg_none',
    ])
    expect(found.filter((result) => verdict(result) !== 'right')).toEqual([])
  })
})

describe('what cannot be seen is not called right', () => {
  test('an app that says yes to every logout and does nothing', async () => {
    const found = await examined((options) => startCarelessApp({ ...options, deaf: true }), {
      only: ['logout_iss', 'front_iss'],
    })
    expect(found.slice(1)).toEqual([
      { check: 'logout_good', outcome: 'refused', status: 200, note: 'yes_but_nothing' },
      { check: 'logout_iss', outcome: 'unclear', note: 'deaf_to_logout' },
      { check: 'front_good', outcome: 'refused' },
      { check: 'front_iss', outcome: 'unclear', note: 'deaf_to_logout' },
    ])
  })

  test('what the public key signs as a secret is what an app has it as', async () => {
    const key = await makeKey('ES256')
    const signing = { key, foreign: key, secret: null }
    const person = { sub: 's', sid: 'x', name: 'n', email: 'e@example.com' }
    const about = { issuer: 'http://localhost:1', clientId: 'c', person, nonce: null, accessToken: 't' }
    const [head, body, mac] = (await idToken(about, signing, 'id_hs256_public_key')).split('.')
    const pem = createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' }).export({
      type: 'spki',
      format: 'pem',
    })
    expect(createHmac('sha256', pem).update(`${head}.${body}`).digest('base64url')).toBe(mac)
  })

  test('an app without logout addresses, without state, without userinfo', async () => {
    const found = await examined(
      (options) => startCarelessApp({ ...options, posted: true, incurious: true }),
      {
        logout: [],
        only: [
          'state_missing',
          'state_reused',
          'userinfo_sub',
          'id_missing',
          'id_nonce_missing',
          'logout_iss',
          'front_sid',
        ],
      },
    )
    expect(Object.fromEntries(found.map(({ check, outcome, note }) => [check, note ?? outcome]))).toEqual({
      good_sign_in: 'accepted',
      state_missing: 'no_state',
      state_reused: 'no_state',
      // It is signed in as nobody, which looks like a stranger.
      id_missing: 'person_not_shown',
      id_nonce_missing: 'accepted',
      userinfo_sub: 'no_userinfo',
      logout_good: 'no_backchannel',
      logout_iss: 'no_backchannel',
      front_good: 'no_frontchannel',
      front_sid: 'no_frontchannel',
    })
  })

  test('an app that looks the same to everybody', async () => {
    const found = examined((options) => startCarelessApp({ ...options, plain: true }))
    await expect(found).rejects.toThrow('After a good sign-in the app looks as it does to a stranger')
  })

  test('an app that dies in the middle', async () => {
    const patient = await admit(startCarelessApp)
    const results = await examine({
      app: patient.app,
      keySeconds: 61,
      wait,
      only: ['id_iss', 'id_aud'],
      found: ({ check }) => void (check === 'id_iss' && patient.close()),
    })
    expect(of(results, 'id_iss')?.outcome).toBe('accepted')
    expect(of(results, 'id_aud')).toMatchObject({ outcome: 'unclear', note: 'app_not_reached' })
  })
})

describe('an app that is set up wrong is told what to mend', () => {
  test.each([
    [
      'another issuer',
      { issuer: 'http://localhost:1/oidc' },
      /sends people to http:..localhost:1.oidc.auth to sign in/,
    ],
    ['another client', { clientId: 'another' }, /asks as client another, not as app-under-test/],
  ])('%s', async (_, wrong, sentence) => {
    const patient = await admit((options) => startCarelessApp({ ...options, ...wrong }))
    await expect(patient.app.isReady()).rejects.toThrow(sentence)
    await patient.close()
  })
})

describe('an app whose sign-in begins with a button', () => {
  const start: Start = (options) => startCarelessApp({ ...options, buttons: true })

  test('has it pressed, with what the page sends along', async () => {
    const found = await examined(start, { only: ['id_iss'], press: 'with the portal' })
    expect(found.map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted'])
  })

  test('that is one of several', async () => {
    await expect(examined(start)).rejects.toThrow(/has 2 buttons/)
    await expect(examined(start, { press: 'with nobody' })).rejects.toThrow(
      'answers 200 and sends nobody to sign in',
    )
  })
})

test('an app that pushes its requests, proves itself by a key and binds its tokens signs in', async () => {
  const patient = await admit(startCarelessApp)
  const { issuer, app } = patient
  const key = await jose.generateKeyPair('ES256')
  const config = await client.discovery(
    new URL(issuer),
    CLIENT.clientId,
    { id_token_signed_response_alg: 'ES256' },
    client.PrivateKeyJwt(key.privateKey),
    { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
  )
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const redirectUri = `${patient.url}/callback`
  const params = {
    redirect_uri: redirectUri,
    scope: 'openid',
    nonce: 'n',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  }
  const start = await client.buildAuthorizationUrlWithPAR(config, params, { DPoP })
  const asked = app.standIn.asked(start)
  expect(asked).toMatchObject({ redirectUri, nonce: 'n', challenge: params.code_challenge })
  const { grant } = app.grantFor(asked, null)
  const back = new URL(`${redirectUri}?${new URLSearchParams(app.answerTo(grant))}`)
  const checks = { pkceCodeVerifier, expectedNonce: 'n' }
  const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP })
  expect(tokens.claims()?.sub).toBe(grant.person.sub)
  const info = await client.fetchUserInfo(config, tokens.access_token, grant.person.sub, { DPoP })
  expect(info.name).toBe(grant.info.name)
  await patient.close()
})

test('a code that was asked for with PKCE is worth nothing to another browser’s verifier', async () => {
  const patient = await admit(startDemoApp)
  const { app, issuer } = patient
  const { grant } = app.grantFor((await app.begin()).asked, null)
  const body = new URLSearchParams({ code: grant.code, code_verifier: 'x'.repeat(43) })
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body })
  expect([answer.status, await answer.json()]).toEqual([400, { error: 'invalid_grant' }])
  await patient.close()
})

describe('the report', () => {
  useStores()
  const since = new Date('2026-11-01T10:00:00.000Z')
  const results: Result[] = [
    { check: 'good_sign_in', outcome: 'accepted' },
    { check: 'id_iss', outcome: 'accepted' },
    { check: 'id_iat_far', outcome: 'accepted' },
    { check: 'id_aud', outcome: 'refused' },
    { check: 'front_good', outcome: 'skipped', note: 'no_frontchannel' },
    { check: 'userinfo_sub', outcome: 'unclear', note: 'userinfo_not_seen' },
  ]
  const report = {
    at: '2026-11-28T10:00:00.000Z',
    clientId: 'https://app.example/client.json',
    clientSince: since.toISOString(),
    startUrl: 'http://localhost:3001/login',
    results,
  }

  test('counts what was right, wrong and not to be told', () => {
    expect(sum(results)).toEqual({ right: 2, wrong: 2, unclear: 1, skipped: 1, wrongMust: 1 })
  })

  test('is kept until the next one, and is not that of an app that gets the same id', async () => {
    expect(await newest(report.clientId, since)).toBeNull()
    await keep(report)
    await keep({ ...report, results: [...results, { check: 'of_old' as CheckId, outcome: 'refused' }] })
    expect(await newest(report.clientId, since)).toEqual(report)
    expect(await newest(report.clientId, new Date())).toBeNull()
  })
})
