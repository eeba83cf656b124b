/** A backup put back (OPS1): the keys fit, and nothing that was ended or used since comes to life again. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { removeData } from '../../scripts/remove-data.mjs'
import * as audit from '../audit'
import { nowMs, setClock } from '../base/clock'
import { closeDb, inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { closeRedis } from '../base/redis'
import * as factors from '../factors'
import { openStores, type Stores } from '../host/stores'
import * as oidc from '../oidc'
import { type App, ask, newApp, refresh, signInTo, userinfo } from '../oidc/testing/app'
import { Browser, type Portal, startPortal } from '../oidc/testing/harness'
import * as recovery from '../recovery'
import * as sessions from '../sessions'
import * as signin from '../signin'
import {
  begin,
  codeOf,
  done,
  FIRST,
  jar,
  must,
  person,
  SECOND,
  sentTo,
  somewhere,
} from '../signin/people.fixture'
import { bundle } from '../testing/bundle'
import * as users from '../users'

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-restored-'))
const data = path.join(folder, 'data')
const copy = path.join(folder, 'copy')
const redisUrl = `${(process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379').replace(/\/\d*$/, '')}/${Number(process.env.VITEST_POOL_ID ?? '1') % 16}`
const redis = new Redis(redisUrl)
const origin = 'http://localhost:3000'

let program = ''
let stores: Stores | null = null

/** The portal comes up on its data folder, embedded database and all. Redis lives on beside it. */
async function up(): Promise<void> {
  delete process.env.DATABASE_URL
  delete process.env.GATEHOUSE_SECRET
  Object.assign(process.env, { GATEHOUSE_DATA: data, GATEHOUSE_URL: origin, REDIS_URL: redisUrl })
  reloadEnv()
  stores = await openStores({ role: 'portal' })
  await audit.migrate()
  await sessions.start()
}

async function down(): Promise<void> {
  await sessions.stop()
  await closeDb()
  await closeRedis()
  await stores?.close()
  stores = null
}

/** Where the database's files are: in the data folder, or where a portal of root keeps them. */
const cluster = (): string => realpathSync(path.join(data, 'postgres'))
const isElsewhere = (): boolean => !cluster().startsWith(realpathSync(data))

/** Copies folders as they are, owners and links included. */
const take = (from: string, to: string) => execFileSync('cp', ['-a', from, to])

async function gatehouse(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...args], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      GATEHOUSE_DATA: data,
      REDIS_URL: redisUrl,
      PORT: '1',
    },
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const [code] = await once(child, 'close')
  return { code: code as number, out, err }
}

/** Runs `fn` with the OpenID Provider on a port. */
async function withProvider<T>(fn: (portal: Portal) => Promise<T>): Promise<T> {
  const portal = await startPortal()
  try {
    return await fn(portal)
  } finally {
    await portal.stop()
    process.env.GATEHOUSE_URL = origin
    reloadEnv()
    await sessions.start()
  }
}

beforeAll(async () => {
  program = await bundle('lib/cli/main.ts')
  await redis.flushdb()
})

afterAll(async () => {
  setClock(null)
  await down()
  redis.disconnect()
  removeData(data)
  rmSync(folder, { recursive: true, force: true })
})

test('a_restored_copy_knows_its_people_and_brings_back_nothing_that_was_over', async () => {
  await up()
  const ada = await person({ totp: true, passkey: 'verified', codes: true })
  const signedInBy = async (way: 'passkey') => {
    const browser = await begin()
    return jar(done(await FIRST[way](browser, ada)).setCookies)
  }
  const cookies = await signedInBy('passkey')
  const app: App = await newApp()
  const { json: tokens } = await withProvider((portal) => signInTo(new Browser(portal), app, ada.id))
  const personal = { name: 'Nightly export', scopes: [], days: 30 }
  const made = must(await inTx((tx) => oidc.personalTokens.make(tx, ada.id, personal, somewhere())))
  const link = await inTx((tx) =>
    factors.links.issue(tx, { purpose: 'password_reset', userId: ada.id, lifeSeconds: 3600 }),
  )
  await inTx(
    (tx) => tx.$executeRaw`
      UPDATE devices SET trust_hash = 'x', trusted_until = now() + interval '1 day' WHERE user_id = ${ada.id}::uuid`,
  )
  must(await recovery.delayed.request({ email: ada.email }, somewhere()))
  await audit.drain()
  const waiting = await begin()
  must(await signin.emailCode(waiting.flow, { email: ada.email }, waiting.caller))
  const mailed = await sentTo(ada.email)
  await down()
  take(data, copy)
  const home = existsSync(path.join(copy, 'postgres')) ? cluster() : ''
  if (isElsewhere()) take(home, path.join(folder, 'cluster'))

  // Life goes on: all of it is used, ended or taken back.
  await up()
  const facts = await sessions.check(cookies)
  expect(facts?.userId).toBe(ada.id)
  await sessions.revoke({ userId: ada.id, sid: facts?.sid ?? '' }, { reason: 'test' })
  const next = await withProvider(async (portal) => {
    const { json } = await refresh(portal, app, tokens.refresh_token)
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
    return json
  })
  expect(await inTx((tx) => factors.links.use(tx, 'password_reset', link))).not.toBeNull()
  const at = nowMs()
  setClock(() => at)
  const used = codeOf(ada.secret)
  must(await factors.totp.verify(ada.id, used, somewhere()))
  const [backupCode = ''] = ada.codes
  must(await factors.backupCodes.verify(ada.id, backupCode, somewhere()))
  const later = await signedInBy('passkey')
  await inTx((tx) => oidc.personalTokens.end(tx, ada.id, null))
  must(await oidc.grants.revoke(ada.id, app.clientId))
  await redis.set('other:app', 'not ours')
  expect((await gatehouse('restored')).err).toMatch(/The portal runs/)
  await down()

  // The disk dies, and the copy takes its place.
  if (isElsewhere()) {
    rmSync(home, { recursive: true })
    take(path.join(folder, 'cluster'), home)
  }
  rmSync(data, { recursive: true })
  take(copy, data)
  const { code, out, err } = await gatehouse('restored', '--json')
  expect(err).toBe('')
  expect(code).toBe(0)
  const said = JSON.parse(out)
  expect(said).toMatchObject({
    sessions: 2,
    refresh_tokens: 1,
    personal_tokens: 1,
    consents: 1,
    recoveries: 1,
    // The one to a new password, and the one that stops the recovery.
    links: 2,
    backup_codes: 10,
  })
  expect(said.redis_keys).toBeGreaterThan(0)
  expect(await redis.keys('*')).toEqual(['other:app'])

  await up()
  for (const old of [cookies, later]) expect(await sessions.check(old)).toBeNull()
  const trusted = { userId: ada.id, trustHash: { not: null } }
  expect(await inTx((tx) => tx.device.count({ where: trusted }))).toBe(0)
  const restored = await users.get(ada.id)
  expect(restored && (await recovery.running(restored))).toBeNull()
  await withProvider(async (portal) => {
    for (const { access_token, refresh_token } of [tokens, next]) {
      expect((await refresh(portal, app, refresh_token)).json.error).toBe('invalid_grant')
      expect((await userinfo(portal, access_token)).status).toBe(401)
    }
    expect((await userinfo(portal, made.value)).status).toBe(401)
    // What she took back is not given again without her: the app asks.
    const browser = new Browser(portal)
    await browser.signIn(ada.id)
    const asked = await browser.go(ask(portal, app).url)
    expect(asked.url.pathname).toBe('/consent')
    expect((await signInTo(browser, app, ada.id)).json.access_token).toBeTruthy()
  })
  expect(await factors.links.peek('password_reset', link)).toBeNull()
  expect((await signin.verify(waiting.flow, { code: mailed }, waiting.caller)).ok).toBe(false)
  expect(await factors.totp.verify(ada.id, used, somewhere())).toMatchObject({ ok: false })
  expect(await factors.backupCodes.verify(ada.id, backupCode, somewhere())).toMatchObject({ ok: false })
  const noted = await inTx((tx) => tx.event.findFirst({ where: { type: 'portal.restored' } }))
  expect(noted?.data).toMatchObject({ sessions: 2, refresh_tokens: 1 })

  // What people have set up is theirs as before, under the same keys.
  setClock(() => at + 600_000)
  const browser = await begin()
  must(await FIRST.password(browser, ada))
  expect(await sessions.check(jar(done(await SECOND.totp(browser, ada)).setCookies))).not.toBeNull()
  expect(await sessions.check(await signedInBy('passkey'))).not.toBeNull()
})
