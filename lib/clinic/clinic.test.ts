/**
 * The clinic on two real apps: the demo app, which does everything right, and one that believes whatever it is told.
 * Each mistake is one line of each table below.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startCarelessApp } from './careless-app.fixture'
import { AppUnderTest, CHECK_IDS, CHECKS, type CheckId, examine, type Result, StandIn, verdict } from './index'

const CLIENT = { clientId: 'app-under-test', clientSecret: 'gts_not-a-secret-of-anybody' }

interface App {
  url: string
  close(): Promise<void>
}
type Start = (options: { issuer: string } & typeof CLIENT) => Promise<App>

/** Starts an app whose provider is a stand-in, and the stand-in. */
async function admit(start: Start, idTokenAlg = 'ES256', logout = ['/logout', '/logout']) {
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
  const under = new AppUnderTest(standIn, { startUrl: new URL('/login', app.url), signedInUrl: null })
  return { app: under, url: app.url, issuer, close }
}

const waits: number[] = []
/** Nobody waits: what would have passed has passed. */
const wait = async (milliseconds: number) => {
  waits.push(milliseconds)
  vi.setSystemTime(Date.now() + milliseconds)
}

async function examined(start: Start, ...how: [alg?: string, logout?: string[]]): Promise<Result[]> {
  const patient = await admit(start, ...how)
  try {
    return await examine({ app: patient.app, keySeconds: 61, wait })
  } finally {
    await patient.close()
  }
}

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
    results = await examined(startDemoApp, 'ES256', ['/backchannel-logout', '/frontchannel-logout'])
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

  test.each(['RS256', 'EdDSA'])('does all of it with %s as well', async (alg) => {
    const found = await examined(startDemoApp, alg, ['/backchannel-logout', '/frontchannel-logout'])
    expect(found.filter((result) => verdict(result) !== 'right')).toEqual([])
  })
})
