/** Two processes of one portal: OP3 across them, and what one decides the other honours (KEY1, SES4, OP7). */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import { bundle } from '../testing/bundle'
import * as oidc from './index'
import { newApp, obtainCode, redeem, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
/** Polls until it holds; what comes by a message takes a moment. */
const soon = (fn: () => void | Promise<void>) => vi.waitFor(fn, { timeout: 5000, interval: 20 })

let portal: Portal
/** The other process, as an address that apps call. */
let other: Portal
let user: string
let second: ChildProcess

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  const child = fork(await bundle('lib/oidc/testing/second.ts'), {
    env: { ...process.env, VITEST: undefined },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  second = child
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port))
    child.once('exit', (code) => reject(new Error(`the second process ended with ${code}`)))
  })
  other = { ...portal, issuer: `http://127.0.0.1:${port}/oidc` }
  return async () => {
    child.removeAllListeners('exit')
    child.kill()
    await portal.stop()
  }
})

const either = (i: number): Portal => (i % 2 === 0 ? portal : other)

describe('two processes', () => {
  it('one_code_redeemed_fifty_times_at_once_over_two_processes', async () => {
    const app = await newApp()
    const { code, verifier } = await obtainCode(new Browser(portal), app, user)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => redeem(either(i), app, code, verifier)),
    )
    const won = answers.filter((a) => a.status === 200)
    expect(won).toHaveLength(1)
    for (const where of [portal, other]) {
      await soon(async () => expect((await userinfo(where, won[0]?.json.access_token)).status).toBe(401))
      expect((await refresh(where, app, won[0]?.json.refresh_token)).json.error).toBe('invalid_grant')
    }
  })

  it('one_refresh_token_redeemed_fifty_times_at_once_over_two_processes', async () => {
    const app = await newApp()
    const { json } = await signInTo(new Browser(portal), app, user)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => refresh(either(i), app, json.refresh_token)),
    )
    const told = answers.filter((a) => a.status !== 503)
    const [successor, ...others] = new Set(told.map((a) => a.json.refresh_token))
    expect([told.filter((a) => a.status !== 200).map((a) => a.json), others]).toEqual([[], []])
    // Whoever comes when the successor was used, at either, ends the family at both.
    const used = await refresh(other, app, successor)
    expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
    for (const where of [portal, other]) {
      expect((await refresh(where, app, used.json.refresh_token)).json.error).toBe('invalid_grant')
    }
  })

  it('a revoke of many reaches tokens of the other process whose row nobody marked yet', async () => {
    const app = await newApp()
    const { json } = await signInTo(new Browser(portal), app, user)
    expect((await userinfo(other, json.access_token)).status).toBe(200)
    // Sixty newer ones, so that the row of this one is among the rest.
    await stores.sql(
      `INSERT INTO sessions (user_id, session_version, method, amr, acr, auth_at, last_active_at, expires_at, idle_seconds)
       SELECT id, session_version, 'password', '{pwd}', 'aal1', now(), now() + interval '1 minute', now() + interval '1 day', 3600
       FROM users, generate_series(1, 60) WHERE id = $1`,
      [user],
    )
    const { rest } = await sessions.revoke({ userId: user, all: true }, { reason: 'test' })
    expect(rest).toBe(true)
    await soon(async () => expect((await userinfo(other, json.access_token)).status).toBe(401))
    expect((await refresh(other, app, json.refresh_token)).json.error).toBe('invalid_grant')
    await stores.sql('DELETE FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [user])
  })

  it('with_pub_sub_cut_a_revoke_reaches_the_other_within_the_bound', async () => {
    const app = await newApp()
    const { json } = await signInTo(new Browser(portal), app, user)
    expect((await userinfo(other, json.access_token)).status).toBe(200)
    await stores.redis().call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await sessions.revoke({ userId: user, all: true }, { reason: 'test' })
    await soon(async () => expect((await userinfo(other, json.access_token)).status).toBe(401))
    expect((await refresh(other, app, json.refresh_token)).json.error).toBe('invalid_grant')
  })

  it('what one revokes, switches off or rotates, the other honours', async () => {
    const app = await newApp()
    const browser = new Browser(portal)
    const { json } = await signInTo(browser, app, user)
    expect((await userinfo(other, json.access_token)).status).toBe(200)
    await oidc.grants.revoke(user, app.clientId)
    await soon(async () => expect((await userinfo(other, json.access_token)).status).toBe(401))

    const again = await signInTo(browser, app, user)
    expect((await userinfo(other, again.json.access_token)).status).toBe(200)
    await sessions.revoke({ userId: user, all: true }, { reason: 'test' })
    await soon(async () => expect((await userinfo(other, again.json.access_token)).status).toBe(401))

    const third = await signInTo(browser, app, user)
    expect((await userinfo(other, third.json.access_token)).status).toBe(200)
    await oidc.clients.disable(app.clientId)
    await soon(async () => expect((await userinfo(other, third.json.access_token)).status).toBe(401))

    const before = await (await fetch(`${other.issuer}/jwks`)).json()
    await oidc.keys.rotate({ algorithm: 'ES256', early: true })
    await soon(async () => {
      const after = await (await fetch(`${other.issuer}/jwks`)).json()
      expect(after.keys).toHaveLength(before.keys.length + 1)
      expect(after).toEqual(await (await fetch(`${portal.issuer}/jwks`)).json())
    })
  })

  it('an app removed at one and registered again under its id is another one at both', async () => {
    const old = await newApp({ clientId: 'reborn' })
    const browser = new Browser(portal)
    const { json } = await signInTo(browser, old, user)
    expect((await userinfo(other, json.access_token)).status).toBe(200)
    await oidc.clients.remove(old.clientId)
    const next = await newApp({ clientId: 'reborn' })
    for (const where of [portal, other])
      await soon(async () => expect((await userinfo(where, json.access_token)).status).toBe(401))
    const own = await signInTo(browser, next, user)
    expect((await userinfo(other, own.json.access_token)).status).toBe(200)
    expect((await userinfo(other, json.access_token)).status).toBe(401)
  })

  it('both_find_keys_due_at_once_and_one_rotates_them', async () => {
    await stores.sql(
      `UPDATE signing_keys SET created_at = created_at - interval '100 days', active_at = active_at - interval '100 days'
       WHERE status IN ('active', 'next')`,
    )
    const before = await oidc.keys.list()
    const swept = once(second, 'message')
    second.send('sweep')
    await Promise.all([oidc.sweep(), swept])
    const after = await oidc.keys.list()
    expect(after.length - before.length).toBe(3)
    const of = (all: typeof after, status: string) => all.filter((k) => k.status === status).map((k) => k.kid)
    expect(of(after, 'active').sort()).toEqual(of(before, 'next').sort())
    await soon(async () => {
      const [here, there] = await Promise.all(
        [portal, other].map(async (at) => (await fetch(`${at.issuer}/jwks`)).json()),
      )
      expect(here.keys.map((k: { kid: string }) => k.kid)).toEqual(expect.arrayContaining(of(after, 'next')))
      expect(there).toEqual(here)
    })
  })
})
