/** Back-channel logout: LGO2, and what people are told of it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { env, reloadEnv } from '../base/env'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as oidc from './index'
import { type App, newApp, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal

beforeAll(async () => {
  portal = await startPortal()
  return () => portal.stop()
})
beforeEach(() => setClock(null))

type Answer = (req: IncomingMessage, res: ServerResponse) => void
const yes: Answer = (_req, res) => void res.end()

/** An app's server: keeps the logout tokens it got, and answers as told. */
class Receiver {
  readonly tokens: string[] = []
  answer: Answer = yes
  #server: Server
  #port = 0
  constructor() {
    this.#server = createServer(async (req, res) => {
      let body = ''
      for await (const chunk of req) body += chunk
      this.tokens.push(new URLSearchParams(body).get('logout_token') ?? '')
      this.answer(req, res)
    })
  }
  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }
  get uri(): string {
    return `http://127.0.0.1:${this.#port}/logout`
  }
  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const open: Receiver[] = []
afterEach(async () => {
  for (const receiver of open.splice(0)) await receiver.close()
  await stores.sql('DELETE FROM deliveries')
  await stores.sql(`SELECT graphile_worker.complete_jobs(ARRAY(SELECT id FROM graphile_worker.jobs))`)
})

async function receiver(): Promise<Receiver> {
  const made = await new Receiver().open()
  open.push(made)
  return made
}

const appOf = (to: Receiver, more: Partial<oidc.NewClient> = {}): Promise<App> =>
  newApp({ backchannelLogoutUri: to.uri, ...more })

async function signedIn(user: string, ...apps: App[]) {
  const browser = new Browser(portal)
  const ids: Record<string, unknown>[] = []
  const access: string[] = []
  for (const app of apps) {
    const { json } = await signInTo(browser, app, user)
    ids.push(decodeJwt(json.id_token))
    access.push(json.access_token)
  }
  const facts = await sessions.check(Object.fromEntries(browser.cookies))
  if (!facts) throw new Error('not signed in')
  return { browser, facts, ids, access }
}

const why = { reason: 'test' }
const states = async () =>
  (await audit.deliveries({ kind: 'backchannel_logout' })).map(({ target, attempts, deliveredAt }) => ({
    target,
    attempts,
    delivered: deliveredAt !== null,
  }))

describe('a logout token', () => {
  it('names the person as the app knows them', async () => {
    const to = await receiver()
    const app = await appOf(to, { pairwise: true })
    const user = await newUser(stores.sql)
    const { facts, ids } = await signedIn(user, app)
    await sessions.revoke({ userId: user, sid: facts.sid }, why)
    await audit.drain()
    const { sub, sid } = decodeJwt(to.tokens[0] ?? '')
    expect({ sub, sid }).toEqual({ sub: ids[0]?.sub, sid: ids[0]?.sid })
    expect(sub).not.toBe(user)
  })

  it.each(['ES256', 'RS256', 'EdDSA'] as const)(
    'is signed with the app’s algorithm (%s) and says what section 2.4 asks',
    async (alg) => {
      const to = await receiver()
      const app = await appOf(to, { idTokenAlg: alg })
      const user = await newUser(stores.sql)
      const { facts, ids } = await signedIn(user, app)
      await sessions.revoke({ userId: user, sid: facts.sid }, why)
      await audit.drain()
      const keys = createRemoteJWKSet(new URL(`${portal.issuer}/jwks`))
      const { payload, protectedHeader } = await jwtVerify(to.tokens[0] ?? '', keys, {
        issuer: portal.issuer,
        audience: app.clientId,
        typ: 'logout+jwt',
      })
      expect(protectedHeader.alg).toBe(alg)
      expect(payload).toMatchObject({
        sub: user,
        sid: ids[0]?.sid,
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      })
      expect(payload.jti).toMatch(/^[\w-]{20,}$/)
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(120)
      expect(payload).not.toHaveProperty('nonce')
      expect(payload.sid).not.toBe(facts.sid)
    },
  )
})

describe('who may not enter an app any more', () => {
  const BY = { actor: 'operator' }
  const losses: [string, Partial<oidc.NewClient>, (user: string) => Promise<unknown>][] = [
    [
      'a role that was taken',
      { entryRoles: ['staff'] },
      (user) => users.changeRoles(user, { roles: [] }, BY),
    ],
    [
      'a role that a provider takes',
      { entryRoles: ['staff'] },
      (user) => inTx((tx) => users.setRoles(tx, user, { roles: [], among: ['staff'] }, BY)),
    ],
    [
      'another default role',
      { entryRoles: ['user'] },
      (user) => users.changeRoles(user, { defaultRole: 'visitor' }, BY),
    ],
    [
      'an address that was removed',
      { entryDomains: ['*.house.example'] },
      async (user) => {
        const house = (await users.emails.list(user)).find(({ isPrimary }) => !isPrimary)
        await inTx((tx) => users.emails.remove(tx, user, house?.id ?? ''))
      },
    ],
  ]

  it.each(losses)('an_app_that_lets_somebody_in_no_more_is_told_and_no_other: %s', async (_, rules, lose) => {
    const [shut, open] = [await receiver(), await receiver()]
    const [app, other] = [await appOf(shut, rules), await appOf(open, { entryDomains: ['example.com'] })]
    const user = await newUser(stores.sql)
    await users.changeRoles(user, { roles: ['staff', 'choir'] }, BY)
    await stores.sql(
      'INSERT INTO emails (user_id, address, is_primary, verified_at) VALUES ($1, $2, false, now())',
      [user, `a.${user.slice(0, 8)}@Post.House.example`],
    )
    const here = await signedIn(user, app, other)
    await users.changeRoles(user, { roles: ['staff'] }, BY)
    await audit.drain()
    expect([shut.tokens, open.tokens]).toEqual([[], []])
    await lose(user)
    await audit.drain()
    expect([shut.tokens.length, open.tokens.length]).toEqual([1, 0])
    expect(decodeJwt(shut.tokens[0] ?? '')).toMatchObject({ sub: user, sid: here.ids[0]?.sid })
    // The session goes on, and its own end is told as well.
    expect(await sessions.alive(here.facts.sid)).not.toBeNull()
    await sessions.revoke({ userId: user, sid: here.facts.sid }, why)
    await audit.drain()
    expect([shut.tokens.length, open.tokens.length]).toEqual([2, 1])
  })

  it('a_loss_that_is_taken_back_owes_nothing_and_one_that_comes_again_is_told_again', async () => {
    const to = await receiver()
    const app = await appOf(to, { entryRoles: ['staff'] })
    const user = await newUser(stores.sql)
    const among = { roles: [], among: ['staff'] }
    await users.changeRoles(user, { roles: ['staff'] }, BY)
    await signedIn(user, app)
    const undone = inTx(async (tx) => {
      await users.setRoles(tx, user, among, BY)
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    expect(await states()).toEqual([])
    for (const roles of [[], ['staff'], []]) await users.changeRoles(user, { roles }, BY)
    await audit.drain()
    expect(to.tokens.length).toBe(2)
  })
})

describe('every app of the session is told, and no other', () => {
  it('each by the name it knows the session by', async () => {
    const [a, b, c] = [await receiver(), await receiver(), await receiver()]
    const [one, two, other] = [await appOf(a), await appOf(b), await appOf(c)]
    const user = await newUser(stores.sql)
    const here = await signedIn(user, one, two)
    await signedIn(user, other)
    await sessions.revoke({ userId: user, sid: here.facts.sid }, why)
    await audit.drain()
    expect([a, b, c].map((to) => to.tokens.length)).toEqual([1, 1, 0])
    expect(decodeJwt(a.tokens[0] ?? '').sid).toBe(here.ids[0]?.sid)
    expect(decodeJwt(b.tokens[0] ?? '').sid).toBe(here.ids[1]?.sid)
    expect(here.ids[0]?.sid).not.toBe(here.ids[1]?.sid)
  })

  type Way = (s: Awaited<ReturnType<typeof signedIn>>, user: string) => Promise<unknown>
  const ways: Record<string, Way> = {
    'signed out by the person': ({ facts }) => oidc.signOut(testCaller(), facts),
    'one session revoked': ({ facts }, userId) =>
      sessions.revoke({ userId, sid: facts.sid, lost: true }, { reason: 'user' }),
    'one device revoked': ({ facts }, userId) =>
      sessions.revoke({ userId, deviceId: facts.deviceId ?? '' }, { reason: 'user' }),
    'all others revoked': async (_s, userId) => {
      const { facts } = await signedIn(userId, await newApp())
      await sessions.revoke({ userId, exceptSid: facts.sid }, { reason: 'user' })
    },
    'all revoked, as at a reset, a lock-down or by an operator': (_s, userId) =>
      sessions.revoke({ userId, all: true }, { reason: 'password_reset' }),
    'another user signs in there': async ({ browser }) => browser.signIn(await newUser(stores.sql, 'Eve')),
    'its time was over': async ({ facts }) => {
      setClock(() => facts.expiresAt + 10 * 60_000)
      await sessions.endExpired()
    },
    'it lay idle': async ({ facts }) => {
      setClock(() => facts.lastActiveAt + facts.idleSeconds * 1000 + 10 * 60_000)
      await sessions.endExpired()
    },
    'one more than the user may have': async (_s, userId) => {
      env().sessionsPerUser = 1
      await signedIn(userId, await newApp()).finally(reloadEnv)
    },
  }
  for (const [name, way] of Object.entries(ways)) {
    it(name, async () => {
      const to = await receiver()
      const user = await newUser(stores.sql)
      const s = await signedIn(user, await appOf(to))
      await way(s, user)
      await audit.drain()
      expect(to.tokens).toHaveLength(1)
      expect(decodeJwt(to.tokens[0] ?? '')).toMatchObject({ sub: user, sid: s.ids[0]?.sid })
      await audit.drain({ now: true })
      expect(to.tokens).toHaveLength(1)
    })
  }

  it('nothing_is_owed_by_a_revoke_that_was_rolled_back', async () => {
    const to = await receiver()
    const user = await newUser(stores.sql)
    const { facts } = await signedIn(user, await appOf(to))
    const broken = inTx(async (tx) => {
      await sessions.revokeIn(tx, { userId: user, sid: facts.sid }, why)
      throw new Error('no')
    })
    await expect(broken).rejects.toThrow('no')
    expect(await states()).toEqual([])
  })

  it('two_revokes_at_once_owe_one_token', async () => {
    const to = await receiver()
    const user = await newUser(stores.sql)
    const { facts } = await signedIn(user, await appOf(to))
    await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        sessions.revoke(n % 2 ? { userId: user, all: true } : { userId: user, sid: facts.sid }, why),
      ),
    )
    await audit.drain()
    expect(to.tokens).toHaveLength(1)
  })
})

describe('an app that does not answer', () => {
  it('down_and_up_again_gets_its_token_once', async () => {
    const to = await receiver()
    const app = await appOf(to)
    const user = await newUser(stores.sql)
    const { facts } = await signedIn(user, app)
    await to.close()
    const { id } = await sessions.revoke({ userId: user, sid: facts.sid }, why)
    await audit.drain()
    expect(await states()).toEqual([{ target: app.clientId, attempts: 1, delivered: false }])
    expect(await oidc.receipts(user, id)).toMatchObject({ reached: 0, trying: 1, givenUp: 0 })
    await to.open()
    await audit.drain({ now: true })
    await audit.drain({ now: true })
    expect(await states()).toEqual([{ target: app.clientId, attempts: 2, delivered: true }])
    expect(to.tokens).toHaveLength(1)
    expect(await oidc.receipts(user, id)).toMatchObject({ reached: 1, trying: 0, givenUp: 0 })
  })

  it('is tried for a day, then given up, and shown so', async () => {
    const to = await receiver()
    to.answer = (_req, res) => void res.writeHead(400).end()
    const user = await newUser(stores.sql)
    const { facts } = await signedIn(user, await appOf(to))
    const { id } = await sessions.revoke({ userId: user, sid: facts.sid }, why)
    await audit.drain()
    expect(await oidc.receipts(user, id)).toMatchObject({ trying: 1 })
    setClock(() => Date.now() + 25 * 3_600_000)
    await audit.drain({ now: true })
    expect(await oidc.receipts(user, id)).toMatchObject({ reached: 0, trying: 0, givenUp: 1 })
  })

  it('poison_app_does_not_delay_others', async () => {
    const [poison, good] = [await receiver(), await receiver()]
    const waiting: ServerResponse[] = []
    poison.answer = (_req, res) => void waiting.push(res)
    const [bad, fine] = [await appOf(poison), await appOf(good)]
    const user = await newUser(stores.sql)
    for (let n = 0; n < 8; n++) await signedIn(user, bad)
    await signedIn(user, bad, fine)
    await audit.start()
    try {
      await sessions.revoke({ userId: user, all: true }, why)
      await vi.waitFor(() => expect(good.tokens).toHaveLength(1), { timeout: 4000 })
      // One at a time, however many it is owed: it never has more than one place in the queue.
      expect(poison.tokens).toHaveLength(1)
      expect(waiting).toHaveLength(1)
    } finally {
      for (const res of waiting) res.destroy()
      poison.answer = yes
      await audit.stop()
    }
  })

  it('redirect_is_not_followed', async () => {
    const [to, elsewhere] = [await receiver(), await receiver()]
    to.answer = (_req, res) => void res.writeHead(307, { Location: elsewhere.uri }).end()
    const app = await appOf(to)
    const user = await newUser(stores.sql)
    const { facts } = await signedIn(user, app)
    await sessions.revoke({ userId: user, sid: facts.sid }, why)
    await audit.drain()
    expect(elsewhere.tokens).toEqual([])
    expect(await states()).toEqual([{ target: app.clientId, attempts: 1, delivered: false }])
  })

  it('private_address_is_not_asked_unless_the_operator_allows_it', async () => {
    const to = await receiver()
    const app = await appOf(to)
    const user = await newUser(stores.sql)
    const { facts } = await signedIn(user, app)
    env().loopback = false
    try {
      await sessions.revoke({ userId: user, sid: facts.sid }, why)
      await audit.drain()
      expect(to.tokens).toEqual([])
      const [owed] = await audit.deliveries({ kind: 'backchannel_logout' })
      expect(owed?.lastError).toContain('BACKCHANNEL_PRIVATE_NETWORKS')
    } finally {
      reloadEnv()
    }
  })
})

describe('what people are told', () => {
  it('before: which apps a revoke will end, and how each will know', async () => {
    const to = await receiver()
    const user = await newUser(stores.sql)
    const told = await appOf(to, { name: 'Told' })
    const quiet = await newApp({ name: 'Quiet' })
    const here = await signedIn(user, quiet)
    const there = await signedIn(user, told, quiet)
    const all = await oidc.whatEnds({ userId: user, all: true })
    expect(all).toMatchObject({ sessions: 2, more: false })
    expect(all.apps).toMatchObject([
      { clientId: quiet.clientId, name: 'Quiet', sessions: 2, tokens: 2, told: null },
      { clientId: told.clientId, name: 'Told', sessions: 1, tokens: 1, told: 'back_channel' },
    ])
    const others = await oidc.whatEnds({ userId: user, exceptSid: here.facts.sid })
    expect(others).toMatchObject({ sessions: 1, apps: [{ sessions: 1 }, { sessions: 1 }] })
    const one = await oidc.whatEnds({ userId: user, sid: there.facts.sid })
    expect(one.apps.map((app) => app.name).sort()).toEqual(['Quiet', 'Told'])
    await sessions.revoke({ userId: user, all: true }, why)
    expect(await oidc.whatEnds({ userId: user, all: true })).toEqual({ sessions: 0, more: false, apps: [] })
  })

  it('ids_of_another_user_show_nothing', async () => {
    const to = await receiver()
    const [ada, eve] = [await newUser(stores.sql), await newUser(stores.sql, 'Eve')]
    const { facts } = await signedIn(ada, await appOf(to))
    expect(await oidc.whatEnds({ userId: eve, sid: facts.sid })).toMatchObject({ sessions: 0, apps: [] })
    expect(await oidc.whatEnds({ userId: eve, deviceId: facts.deviceId ?? '' })).toMatchObject({
      sessions: 0,
    })
    const { id } = await sessions.revoke({ userId: ada, sid: facts.sid }, why)
    expect((await oidc.receipts(eve, id)).apps).toEqual([])
    expect((await oidc.receipts(ada, "' OR 1=1 --")).apps).toEqual([])
    expect((await oidc.receipts(ada, id)).apps).toHaveLength(1)
  })
})

describe('more sessions than one transaction should touch', () => {
  it('all end at once, and every app is told once', async () => {
    const to = await receiver()
    const app = await appOf(to)
    const user = await newUser(stores.sql)
    const s = await signedIn(user, app)
    // 70 more of them, straight into the tables.
    await stores.sql(
      `INSERT INTO sessions (user_id, session_version, method, amr, acr, auth_at, created_at, last_active_at, expires_at, idle_seconds)
       SELECT user_id, session_version, method, amr, acr, auth_at, created_at, last_active_at - n * interval '1 second', expires_at, idle_seconds
       FROM sessions, generate_series(1, 70) n WHERE id = $1`,
      [s.facts.sid],
    )
    await stores.sql(
      `INSERT INTO session_clients (session_id, client_id, sid)
       SELECT id, $2, 'sid-' || id FROM sessions WHERE user_id = $1 AND id <> $3`,
      [user, app.clientId, s.facts.sid],
    )
    const { rows } = await stores.sql('SELECT id::text FROM sessions WHERE user_id = $1', [user])
    const keep = await signedIn(user, app)
    const { id, sids, rest } = await sessions.revoke({ userId: user, exceptSid: keep.facts.sid }, why)
    expect([sids.length, rest]).toEqual([50, true])
    // Nobody waits for the rows: what is not marked yet is dead as well.
    for (const { id: sid } of rows) expect(await sessions.alive(sid)).toBeNull()
    expect((await userinfo(portal, s.access[0] ?? '')).status).toBe(401)
    expect(await sessions.alive(keep.facts.sid)).not.toBeNull()
    expect((await userinfo(portal, keep.access[0] ?? '')).status).toBe(200)
    await audit.drain()
    await audit.drain()
    const { rows: live } = await stores.sql(
      'SELECT id::text FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
      [user],
    )
    expect(live).toEqual([{ id: keep.facts.sid }])
    const told = to.tokens.map((token) => decodeJwt(token).sid)
    expect([told.length, new Set(told).size]).toEqual([71, 71])
    expect(await oidc.receipts(user, id)).toMatchObject({ reached: 1, trying: 0 })
  }, 60_000)
})
