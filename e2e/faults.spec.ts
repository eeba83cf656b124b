/**
 * The stores fail under a running portal: killed, frozen, emptied, locked, restarted (REL1, REL2, RL6).
 * Pages say 503 and when to come back; nobody who is signed in is ever taken for nobody; nothing is
 * guessed for free; and all of it mends itself.
 */
import { expect, test } from '@playwright/test'
import pg from 'pg'
import { freePort } from '../scripts/free-port.mjs'
import { latestMail } from './mailbox'
import { newPerson } from './people'
import { launchPortal, type Portal } from './portal'
import { postgresProcesses, RedisProcess } from './processes'
import { askToken, type Tokens, tokensFor } from './tokens'
import { type Answer, Visitor } from './visitor'

test.describe.configure({ mode: 'default', timeout: 120_000 })
test.skip(process.platform !== 'linux', 'freezes processes by what /proc says of them')

let portal: Portal
let redis: RedisProcess
const person = newPerson()
let visitor: Visitor
let tokens: Tokens
/** The cookies of a session of theirs that was ended. */
let ended: Visitor

test.beforeAll(async () => {
  redis = new RedisProcess(await freePort())
  await redis.start()
  portal = await launchPortal({ REDIS_URL: `redis://127.0.0.1:${redis.port}` })
  visitor = new Visitor(portal)
  await visitor.signUp(person)
  tokens = await tokensFor(visitor, portal)
  const other = new Visitor(portal)
  await other.signIn(person)
  ended = other.copy()
  await other.post('/signout/submit', {})
  expect((await ended.session()).status).toBe(401)
})

test.afterAll(async () => {
  await portal?.stop(/PostgreSQL (does not answer|ended unexpectedly)|request failed|page failed|StoresDown/)
  redis?.thaw()
  await redis?.kill()
})

const readiness = async (): Promise<number> => (await new Visitor(portal).get('/readyz')).status
const mended = () => expect.poll(readiness, { timeout: 60_000 }).toBe(200)

/** Runs `fn` while something is broken, and mends it whatever happens. */
async function during(mend: () => unknown, fn: () => Promise<void>): Promise<void> {
  try {
    await fn()
  } finally {
    await mend()
    await mended()
  }
}

/** "Come back in a moment", honestly. */
function isUnavailable(answer: Answer, what: string): void {
  expect(answer.status, `${what}: ${answer.body.slice(0, 300)}`).toBe(503)
  expect(Number(answer.headers['retry-after']), what).toBeGreaterThan(0)
  expect(answer.body, what).not.toMatch(/\bat \S+ \(|node_modules|ECONN|prisma|ioredis/i)
  expect(answer.headers['cache-control'], what).toBe('no-store')
}

/** Whatever is broken: who is signed in is never told that they are not, by pages, checks or tokens. */
async function nobodyIsForgotten(what: string): Promise<void> {
  for (const path of ['/account', '/account/profile', '/account/devices', '/signout', '/']) {
    const answer = await visitor.get(path, { accept: 'text/html' })
    if (answer.status === 503) isUnavailable(answer, `${what}: ${path}`)
    else if (path === '/') expect(answer.location, `${what}: ${path}`).toBe('/account')
    else expect(answer.status, `${what}: ${path} → ${answer.location}`).toBe(200)
    const data = await visitor.get(path, { rsc: '1' })
    expect([200, 307, 503], `${what}: ${path}, data`).toContain(data.status)
    expect(data.body, `${what}: ${path}, data`).not.toContain('/signin/start')
  }
  expect([200, 503], `${what}: session check`).toContain((await visitor.session()).status)
  const next = await visitor.get('/api/auth/session')
  expect(next.status === 503 || next.body.includes('"user"'), `${what}: ${next.status} ${next.body}`).toBe(
    true,
  )
  expect(String(next.headers['set-cookie']), what).not.toMatch(/gatehouse\.session=;/)
  const info = await visitor.get('/oidc/userinfo', {
    authorization: `Bearer ${tokens.access}`,
    cookie: undefined,
  })
  expect([200, 503], `${what}: userinfo ${info.body}`).toContain(info.status)
}

/** What needs no store answers as ever. */
async function publicThingsAnswer(what: string): Promise<void> {
  for (const path of ['/healthz', '/oidc/jwks', '/oidc/.well-known/openid-configuration']) {
    expect((await new Visitor(portal).get(path)).status, `${what}: ${path}`).toBe(200)
  }
  expect(await readiness(), `${what}: readyz`).toBe(503)
}

/** A fresh browser can neither sign in nor try to. */
async function nobodyGetsIn(
  what: string,
  begun: { flow: string; by: Visitor },
  { canRead = false } = {},
): Promise<void> {
  isUnavailable(await new Visitor(portal).get('/signin/start?to=/account'), `${what}: begin`)
  for (const password of ['a wrong one', person.password]) {
    const answer = await begun.by.post('/signin/password', {
      flow: begun.flow,
      email: person.email,
      password,
    })
    isUnavailable(answer, `${what}: password`)
    expect(answer.headers['set-cookie'], what).toBeUndefined()
  }
  const page = await begun.by.get(`/signin?flow=${begun.flow}`, { accept: 'text/html' })
  if (canRead) expect(page.status, `${what}: page`).toBe(200)
  else isUnavailable(page, `${what}: page`)
}

async function begin(): Promise<{ flow: string; by: Visitor }> {
  const by = new Visitor(portal)
  return { flow: await by.begin(), by }
}

/** After the fault: the old session lives, the ended one does not, and people sign in and up again. */
async function allIsWell(what: string): Promise<void> {
  expect((await visitor.get('/account')).status, what).toBe(200)
  expect((await ended.session()).status, what).toBe(401)
  expect((await new Visitor(portal).signIn(person)).location, what).toBe('/account')
}

test('Redis is killed and comes back empty', async () => {
  const begun = await begin()
  await redis.kill()
  await during(
    () => redis.start(),
    async () => {
      await nobodyIsForgotten('redis killed')
      await publicThingsAnswer('redis killed')
      await nobodyGetsIn('redis killed', begun)
    },
  )
  await allIsWell('redis restarted')
  await new Visitor(portal).signUp(newPerson())
  // What was in memory is gone, and the person is told how to go on.
  expect((await begun.by.get(`/signin?flow=${begun.flow}`)).body).toContain('/signin/start')
  const info = await visitor.get('/oidc/userinfo', {
    authorization: `Bearer ${tokens.access}`,
    cookie: undefined,
  })
  expect(info.status).toBe(401)
  const fresh = await askToken(portal, visitor, {
    grant_type: 'refresh_token',
    refresh_token: tokens.refresh,
  })
  expect(fresh.status, fresh.body).toBe(200)
  const { access_token, refresh_token } = JSON.parse(fresh.body)
  tokens = { access: access_token, refresh: refresh_token }
})

test('Redis hangs', async () => {
  const begun = await begin()
  redis.freeze()
  await during(redis.thaw, async () => {
    await nobodyIsForgotten('redis frozen')
    await publicThingsAnswer('redis frozen')
    await nobodyGetsIn('redis frozen', begun)
  })
  await allIsWell('redis thawed')
  // The attempt begun before is as good as ever.
  const answer = await begun.by.post('/signin/password', { flow: begun.flow, ...person })
  expect(answer.location).toBe('/account')
})

for (const { what, breaks, mends } of [
  { what: 'has no memory left', breaks: 'CONFIG SET maxmemory 1', mends: 'CONFIG SET maxmemory 0' },
  { what: 'takes no writes', breaks: 'REPLICAOF 127.0.0.1 1', mends: 'REPLICAOF NO ONE' },
]) {
  test(`Redis ${what}`, async () => {
    test.skip(!redis.isReal, 'the embedded one has neither')
    const begun = await begin()
    expect(await redis.command(breaks)).toContain('OK')
    await during(
      () => redis.command(mends),
      async () => {
        await nobodyIsForgotten(what)
        expect(await readiness(), what).toBe(503)
        await nobodyGetsIn(what, begun, { canRead: true })
      },
    )
    await allIsWell(what)
  })
}

test('a_flush_of_redis_gives_no_further_guesses_of_a_password', async () => {
  const victim = newPerson()
  await new Visitor(portal).signUp(victim)
  const guess = async (password: string) => {
    const by = new Visitor(portal)
    return by.post('/signin/password', { flow: await by.begin(), email: victim.email, password })
  }
  let judged = 0
  for (let i = 0; i < 16; i++) {
    if (i % 4 === 3) await redis.command('FLUSHALL')
    const answer = await guess(`wrong ${i}`)
    if (answer.status === 303) judged++
    else expect(answer.status).toBe(429)
  }
  expect(judged).toBe(10)
  // Not even the right one, from a browser that the account does not know.
  expect((await guess(victim.password)).status).toBe(429)
  await allIsWell('redis flushed')
})

test('a_flush_of_redis_gives_no_further_guesses_of_a_code', async () => {
  const newcomer = newPerson()
  const by = new Visitor(portal)
  const { flow } = await by.submitSignUp(newcomer)
  const right = (await latestMail(newcomer.email, 1, portal.url)).codes[0] ?? ''
  const wrong = right === '000000' ? '111111' : '000000'
  for (let i = 0; i < 3; i++) await by.post('/verify/submit', { flow, code: wrong })
  await redis.command('FLUSHALL')
  for (let i = 0; i < 3; i++) {
    const answer = await by.post('/verify/submit', { flow, code: right })
    expect(answer.location).not.toBe('/account')
  }
  expect((await by.session()).status).toBe(401)
  await allIsWell('redis flushed')
})

test('PostgreSQL hangs', async () => {
  const begun = await begin()
  const { all } = postgresProcesses(portal)
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  await during(
    () => {
      for (const pid of all) process.kill(pid, 'SIGCONT')
    },
    async () => {
      const first = await visitor.get('/account', { accept: 'text/html' })
      isUnavailable(first, 'the first to notice')
      await nobodyIsForgotten('postgres frozen')
      await publicThingsAnswer('postgres frozen')
      await nobodyGetsIn('postgres frozen', begun)
      const refreshed = await askToken(portal, visitor, {
        grant_type: 'refresh_token',
        refresh_token: tokens.refresh,
      })
      expect(refreshed.status, 'a refresh token is not used up by a fault').toBe(503)
    },
  )
  await allIsWell('postgres thawed')
  const refreshed = await askToken(portal, visitor, {
    grant_type: 'refresh_token',
    refresh_token: tokens.refresh,
  })
  expect(refreshed.status, refreshed.body).toBe(200)
  const { access_token, refresh_token } = JSON.parse(refreshed.body)
  tokens = { access: access_token, refresh: refresh_token }
  expect((await begun.by.post('/signin/password', { flow: begun.flow, ...person })).location).toBe('/account')
})

test('PostgreSQL is killed and comes back by itself', async () => {
  const begun = await begin()
  for (const pid of postgresProcesses(portal).all) process.kill(pid, 'SIGKILL')
  await during(
    () => {},
    async () => {
      const answer = await visitor.get('/account', { accept: 'text/html' })
      if (answer.status !== 200) isUnavailable(answer, 'postgres killed')
      await nobodyIsForgotten('postgres killed')
    },
  )
  await allIsWell('postgres restarted')
  expect((await begun.by.post('/signin/password', { flow: begun.flow, ...person })).location).toBe('/account')
})

test('a table is locked by somebody', async () => {
  const somebody = new pg.Client({ connectionString: portal.stores().databaseUrl })
  await somebody.connect()
  try {
    for (const table of ['sessions', 'users', 'budgets', 'emails', 'profiles']) {
      const begun = await begin()
      await somebody.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
      await during(
        () => somebody.query('ROLLBACK'),
        async () => {
          await nobodyIsForgotten(`${table} locked`)
          const answer = await begun.by.post('/signin/password', { flow: begun.flow, ...person })
          if (answer.status !== 303) isUnavailable(answer, `${table} locked: password`)
          expect((await new Visitor(portal).get('/oidc/jwks')).status).toBe(200)
        },
      )
      await allIsWell(`${table} unlocked`)
    }
  } finally {
    await somebody.end()
  }
})

test('every connection is cut', async () => {
  const somebody = new pg.Client({ connectionString: portal.stores().databaseUrl })
  await somebody.connect()
  for (let times = 0; times < 3; times++) {
    const asking = Promise.all(
      Array.from({ length: 10 }, () => visitor.copy().get('/account/devices', { accept: 'text/html' })),
    )
    await somebody.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE usename = current_user AND pid <> pg_backend_pid() AND datname = current_database()`,
    )
    for (const answer of await asking) {
      if (answer.status !== 200) isUnavailable(answer, 'connections cut')
    }
    await nobodyIsForgotten('connections cut')
  }
  await somebody.end()
  await mended()
  await allIsWell('connections back')
})

test('the portal was never restarted for any of it', () => {
  expect(portal.alive()).toBe(true)
  expect(portal.output()).not.toMatch(/uncaught|unhandled/i)
})
