/** Connected apps: what a person sees of them, and what a removal ends (CON1, LGO2). */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt } from 'jose'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import { inTx } from '../base/db'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as oidc from './index'
import { sidFor } from './session'
import { saveSignIn } from './store'
import { endGrant, holdGrant } from './store-connected'
import { lockClient } from './store-registry'
import {
  type App,
  ask,
  introspect,
  newApp,
  obtainCode,
  redeem,
  refresh,
  signInTo,
  userinfo,
} from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
beforeAll(async () => {
  portal = await startPortal()
  return () => portal.stop()
})

/** An app's server: keeps the logout tokens it got. */
const servers: Server[] = []
async function listening(
  status = 200,
): Promise<{ uri: string; tokens: string[]; say(status: number): void }> {
  const tokens: string[] = []
  let answer = status
  const server = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    tokens.push(new URLSearchParams(body).get('logout_token') ?? '')
    res.statusCode = answer
    res.end()
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/logout`
  return { uri, tokens, say: (next) => (answer = next) }
}
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  await stores.sql('DELETE FROM deliveries')
  await stores.sql('SELECT graphile_worker.complete_jobs(ARRAY(SELECT id FROM graphile_worker.jobs))')
})

const sidOf = async (browser: Browser): Promise<string> =>
  (await sessions.check(Object.fromEntries(browser.cookies)))?.sid ?? ''
const prompt = async (browser: Browser, app: App, params = {}) =>
  (await browser.go(ask(portal, app, params).url)).url
const removed = async (user: string, app: App): Promise<oidc.Removed> => {
  const done = await oidc.grants.revoke(user, app.clientId, { caller: testCaller() })
  if (!done.ok) throw new Error(done.refusal.code)
  return done.value
}

describe('what a person sees of an app', () => {
  it('names what it may see, since when, when it was used and in which live sessions', async () => {
    const user = await newUser(stores.sql)
    const claims = JSON.stringify({ userinfo: { phone_number: null, email: null } })
    const app = await newApp({ name: 'Photos', clientUri: 'https://photos.example.com/' })
    const [here, there, over] = [new Browser(portal), new Browser(portal), new Browser(portal)]
    for (const browser of [here, there, over]) await signInTo(browser, app, user, { claims })
    await sessions.revoke({ userId: user, sid: await sidOf(over) }, { reason: 'user' })
    const [view, ...more] = await oidc.grants.list(user)
    expect(more).toEqual([])
    expect(view).toMatchObject({
      clientId: app.clientId,
      clientName: 'Photos',
      clientUri: 'https://photos.example.com/',
      firstParty: false,
      off: false,
      // The address is seen through its scope: said once.
      claims: ['phone_number'],
      tokens: 2,
      told: null,
    })
    expect([...(view?.scopes ?? [])].sort()).toEqual(['email', 'openid', 'profile'])
    expect([...(view?.sids ?? [])].sort()).toEqual([await sidOf(here), await sidOf(there)].sort())
    expect(view?.lastUsedAt).toBeInstanceOf(Date)
    expect(await oidc.grants.get(user, app.clientId)).toEqual(view)
  })

  it('an app of the operator’s own, that never asked, is shown too, and one that is switched off', async () => {
    const user = await newUser(stores.sql)
    const ours = await newApp({ firstParty: true })
    await signInTo(new Browser(portal), ours, user)
    await oidc.clients.disable(ours.clientId)
    expect(await oidc.grants.list(user)).toMatchObject([{ firstParty: true, off: true, tokens: 1 }])
  })

  it('nobody_sees_or_removes_the_apps_of_somebody_else', async () => {
    const [user, other] = [await newUser(stores.sql), await newUser(stores.sql, 'Eve')]
    const app = await newApp()
    const s = await signInTo(new Browser(portal), app, user)
    expect(await oidc.grants.get(other, app.clientId)).toBeNull()
    expect(await oidc.grants.revoke(other, app.clientId)).toMatchObject({ ok: false })
    expect((await userinfo(portal, s.json.access_token)).status).toBe(200)
    const { id } = await removed(user, app)
    expect(await oidc.grants.removal(other, id)).toBeNull()
    expect(await oidc.grants.removal(user, id)).toMatchObject({ clientId: app.clientId })
    for (const bent of ['', '1', "' OR 1=1 --", 'x'.repeat(10_000)]) {
      expect(await oidc.grants.removal(user, bent)).toBeNull()
      expect(await oidc.grants.get(user, bent)).toBeNull()
    }
  })
})

describe('access removed', () => {
  it('ends every token and sign-in of this app, tells it, and touches no other app and no session', async () => {
    const user = await newUser(stores.sql)
    const to = await listening()
    const [app, other] = [await newApp({ backchannelLogoutUri: to.uri }), await newApp()]
    const [here, there] = [new Browser(portal), new Browser(portal)]
    const one = await signInTo(here, app, user)
    const two = await signInTo(there, app, user)
    const kept = await signInTo(here, other, user)
    const done = await removed(user, app)
    expect(done).toMatchObject({ sessions: 2, tokens: 2 })
    for (const { json } of [one, two]) {
      expect((await userinfo(portal, json.access_token)).status).toBe(401)
      expect((await introspect(portal, app, json.access_token)).json).toEqual({ active: false })
      expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
    }
    expect((await userinfo(portal, kept.json.access_token)).status).toBe(200)
    expect((await refresh(portal, other, kept.json.refresh_token)).status).toBe(200)
    expect(await sidOf(here)).not.toBe('')
    expect((await oidc.appsOf([await sidOf(here)])).get(await sidOf(here))?.map((a) => a.clientId)).toEqual([
      other.clientId,
    ])

    expect(await oidc.grants.removal(user, done.id)).toMatchObject({
      sessions: 2,
      tokens: 2,
      state: 'trying',
    })
    await audit.drain()
    const told = to.tokens.map((token) => decodeJwt(token))
    expect(told.map(({ sid }) => sid).sort()).toEqual(
      [one, two].map(({ json }) => decodeJwt(json.id_token).sid).sort(),
    )
    expect(told.every(({ sub }) => sub === user)).toBe(true)
    expect(await oidc.grants.removal(user, done.id)).toMatchObject({ state: 'reached' })
    const { items } = await audit.list(user, { types: ['grant.revoked'], limit: 10 })
    expect(items).toMatchObject([{ clientId: app.clientId, data: { sessions: 2, tokens: 2 } }])
  })

  it('the app asks for consent again at the next visit, and silently gets consent_required', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const browser = new Browser(portal)
    await signInTo(browser, app, user)
    await removed(user, app)
    const silent = await prompt(browser, app, { prompt: 'none' })
    expect(silent.searchParams.get('error')).toBe('consent_required')
    const at = await browser.go(ask(portal, app).url)
    expect(at.url.pathname).toBe('/consent')
    // All of it: nothing of what was allowed before is remembered.
    expect(JSON.parse(at.body).view).toMatchObject({ missingScopes: ['openid', 'profile', 'email'] })
  })

  it('an app of the operator’s own has access again without asking', async () => {
    const user = await newUser(stores.sql)
    const ours = await newApp({ firstParty: true })
    const browser = new Browser(portal)
    const s = await signInTo(browser, ours, user)
    await removed(user, ours)
    expect((await userinfo(portal, s.json.access_token)).status).toBe(401)
    expect((await prompt(browser, ours)).searchParams.get('code')).toBeTruthy()
  })

  it('let in again in the same session, the app is told of that session’s end as well', async () => {
    const user = await newUser(stores.sql)
    const to = await listening()
    const app = await newApp({ backchannelLogoutUri: to.uri })
    const browser = new Browser(portal)
    await signInTo(browser, app, user)
    await removed(user, app)
    await audit.drain()
    await signInTo(browser, app, user)
    await removed(user, app)
    await audit.drain()
    await signInTo(browser, app, user)
    await sessions.revoke({ userId: user, sid: await sidOf(browser) }, { reason: 'user' })
    await audit.drain()
    expect(to.tokens).toHaveLength(3)
  })

  it('signed out of the app by its removal, the end of the session tells it nothing more', async () => {
    const user = await newUser(stores.sql)
    const to = await listening()
    const app = await newApp({ backchannelLogoutUri: to.uri })
    const browser = new Browser(portal)
    await signInTo(browser, app, user)
    await removed(user, app)
    await sessions.revoke({ userId: user, all: true }, { reason: 'user' })
    await audit.drain()
    expect(to.tokens).toHaveLength(1)
  })

  it('an app that does not answer is tried again, and the page says so', async () => {
    const user = await newUser(stores.sql)
    const to = await listening(500)
    const app = await newApp({ backchannelLogoutUri: to.uri })
    await signInTo(new Browser(portal), app, user)
    const { id } = await removed(user, app)
    await audit.drain()
    expect(await oidc.grants.removal(user, id)).toMatchObject({ state: 'trying' })
    to.say(204)
    await audit.drain({ now: true })
    expect(await oidc.grants.removal(user, id)).toMatchObject({ state: 'reached' })
    expect(to.tokens).toHaveLength(2)
  })

  it('a_sign_in_and_a_removal_at_once_never_wait_for_each_other_in_a_circle', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const browser = new Browser(portal)
    await signInTo(browser, app, user)
    const sid = await sidOf(browser)
    const { rows } = await stores.sql('SELECT id FROM grants WHERE user_id = $1', [user])
    const grantId = rows[0].id
    const event = { type: 'token.issued', userId: user, sessionId: sid, clientId: app.clientId } as const
    const signIn = () =>
      saveSignIn({ sessionId: sid, clientId: app.clientId, sid: 'known', grantId }, event, null)
    for (let i = 0; i < 25; i++) {
      const old = `now() - interval '1 hour'`
      await stores.sql(`UPDATE grants SET revoked_at = NULL, last_used_at = ${old} WHERE id = $1`, [grantId])
      await stores.sql(
        `INSERT INTO session_clients (session_id, client_id, sid, last_used_at) VALUES ($1, $2, 'known', ${old})
         ON CONFLICT (session_id, client_id) DO UPDATE SET last_used_at = ${old}`,
        [sid, app.clientId],
      )
      const end = inTx(async (tx) => {
        if (await holdGrant(tx, grantId)) await endGrant(tx, grantId, [sid])
      })
      const done = await Promise.allSettled([signIn(), end, signIn()])
      expect(done.filter(({ status }) => status === 'rejected')).toEqual([])
    }
  })

  it('a_sign_in_waits_for_no_change_of_its_person_or_app', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp({ firstParty: true })
    const { code, verifier } = await obtainCode(new Browser(portal), app, user)
    const answer = await inTx(async (tx) => {
      expect(await users.lock(tx, user)).toBe(true)
      expect(await lockClient(tx, app.clientId)).not.toBeNull()
      // A change that goes on to what hangs on the consent (a lock-down) would else wait for this in a circle.
      return await redeem(portal, app, code, verifier)
    })
    expect(answer.status).toBe(200)
  })

  it('an_app_that_is_removed_in_the_instant_of_a_sign_in_is_gone_and_neither_breaks', async () => {
    const user = await newUser(stores.sql)
    const browser = new Browser(portal)
    for (let i = 0; i < 6; i++) {
      const app = await newApp({ firstParty: true })
      const { code, verifier } = await obtainCode(browser, app, user)
      const redeemed = redeem(portal, app, code, verifier)
      for (let n = 0; n < i; n++) await stores.sql('SELECT 1')
      const [answer, removed] = await Promise.all([redeemed, oidc.clients.remove(app.clientId)])
      expect(removed).toMatchObject({ ok: true })
      expect([200, 400, 401]).toContain(answer.status)
      expect((await stores.sql('SELECT 1 FROM grants WHERE client_id = $1', [app.clientId])).rowCount).toBe(0)
    }
  })

  it('a_sign_in_in_the_instant_of_a_removal_is_told_or_refused', async () => {
    const user = await newUser(stores.sql)
    const to = await listening()
    const app = await newApp({ backchannelLogoutUri: to.uri })
    const outcomes = new Set<string>()
    for (let i = 0; i < 8; i++) {
      const browser = new Browser(portal)
      const { code, verifier } = await obtainCode(browser, app, user)
      const sid = await sidOf(browser)
      const redeemed = redeem(portal, app, code, verifier)
      // Sometimes the one is a little ahead, sometimes the other.
      for (let n = 0; n < i; n++) await stores.sql('SELECT 1')
      const [answer] = await Promise.all([redeemed, oidc.grants.revoke(user, app.clientId)])
      await audit.drain()
      const { rows } = await stores.sql('SELECT 1 FROM session_clients WHERE session_id = $1', [sid])
      expect(rows).toEqual([])
      const told = to.tokens.map((token) => decodeJwt(token).sid).includes(sidFor(sid, app.clientId))
      outcomes.add(answer.json.error ?? 'told')
      expect([i, answer.json.error ?? told]).toEqual([i, answer.json.error ? 'invalid_grant' : true])
    }
    expect([...outcomes].every((one) => one === 'told' || one === 'invalid_grant')).toBe(true)
  })

  it('a_sign_in_that_waits_for_a_removal_is_refused_and_leaves_nothing', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const browser = new Browser(portal)
    const { code, verifier } = await obtainCode(browser, app, user)
    const { rows } = await stores.sql('SELECT id FROM grants WHERE user_id = $1', [user])
    const waiting = async () => {
      const { rowCount } = await stores.sql(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      expect(rowCount).toBeGreaterThan(0)
    }
    let answer: Promise<{ json: { error?: string } }> | undefined
    await inTx(async (tx) => {
      expect(await holdGrant(tx, rows[0].id)).toBe(true)
      await endGrant(tx, rows[0].id, [])
      answer = redeem(portal, app, code, verifier)
      await vi.waitFor(waiting, { timeout: 1000, interval: 10 })
    })
    expect((await answer)?.json.error).toBe('invalid_grant')
    for (const table of ['session_clients', 'refresh_tokens'])
      expect((await stores.sql(`SELECT 1 FROM ${table} WHERE client_id = $1`, [app.clientId])).rows).toEqual(
        [],
      )
    const issued = `SELECT 1 FROM events WHERE type = 'token.issued' AND client_id = $1`
    expect((await stores.sql(issued, [app.clientId])).rows).toEqual([])
  })

  it('ten_removals_at_once_end_it_once_and_owe_one_token', async () => {
    const user = await newUser(stores.sql)
    const to = await listening()
    const app = await newApp({ backchannelLogoutUri: to.uri })
    await signInTo(new Browser(portal), app, user)
    const all = await Promise.all(Array.from({ length: 10 }, () => oidc.grants.revoke(user, app.clientId)))
    expect(all.filter(({ ok }) => ok)).toHaveLength(1)
    await audit.drain()
    expect(to.tokens).toHaveLength(1)
    expect((await oidc.grants.revoke(user, app.clientId)).ok).toBe(false)
  })

  it('a_refresh_at_the_same_moment_leaves_no_token_that_is_good', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const tokens: string[] = []
    for (let n = 0; n < 6; n++)
      tokens.push((await signInTo(new Browser(portal), app, user)).json.refresh_token)
    const [, ...answers] = await Promise.all([
      removed(user, app),
      ...tokens.map((token) => refresh(portal, app, token)),
    ])
    for (const { json } of answers) {
      if (json.error) expect(json.error).toBe('invalid_grant')
      else {
        expect((await userinfo(portal, json.access_token)).status).toBe(401)
        expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
      }
    }
  })

  it('nothing_ends_and_nothing_is_owed_when_the_transaction_is_rolled_back', async () => {
    const user = await newUser(stores.sql)
    const to = await listening()
    const app = await newApp({ backchannelLogoutUri: to.uri })
    await signInTo(new Browser(portal), app, user)
    const broken = inTx(async (tx) => {
      expect(await oidc.grants.revokeAll(tx, user)).toBe(1)
      throw new Error('no')
    })
    await expect(broken).rejects.toThrow('no')
    expect(await oidc.grants.list(user)).toHaveLength(1)
    await audit.drain()
    expect(to.tokens).toEqual([])
  })
})
