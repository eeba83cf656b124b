/**
 * The portal is killed in the middle of a statement (REL3, REL6): whatever the database made of it, the
 * next start leaves nobody stuck, nothing usable twice, and no one lost.
 */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { expect, test } from '@playwright/test'
import pg from 'pg'
import { gatehouse } from './command'
import { latestMail } from './mailbox'
import { newPerson, type Person } from './people'
import { launchPortal, type Portal } from './portal'
import { askToken, codeFor, tokensFor } from './tokens'
import { type Answer, Visitor } from './visitor'

test.describe.configure({ mode: 'default', timeout: 120_000 })

let portal: Portal
let db: pg.Client
const person = newPerson()
let visitor: Visitor

async function openDatabase(): Promise<void> {
  db = new pg.Client({ connectionString: portal.stores().databaseUrl })
  db.on('error', () => {})
  await db.connect()
}

test.beforeAll(async () => {
  portal = await launchPortal()
  await openDatabase()
  visitor = new Visitor(portal)
  await visitor.signUp(person)
})

test.afterAll(async () => {
  await db?.end()
  if (!portal?.alive()) return
  await portal.stop()
})

const rows = async (text: string, values: unknown[]): Promise<number> =>
  Number((await db.query(`SELECT count(*) FROM ${text}`, values)).rows[0].count)

/** Until somebody waits for a lock on this table. */
const blocked = (table: string) =>
  expect
    .poll(() => rows('pg_locks WHERE NOT granted AND relation = $1::regclass', [table]), {
      intervals: [5],
      timeout: 30_000,
    })
    .toBeGreaterThan(0)

/** Nobody works on the table any more: what was under way is either committed or undone. */
const quiet = (table: string) =>
  expect
    .poll(() => rows('pg_locks WHERE relation = $1::regclass AND pid <> pg_backend_pid()', [table]))
    .toBe(0)

/** Holds the table, lets `send` run into it, and does `strike` there. */
async function inTheMiddleOf(table: string, send: () => unknown, strike: () => Promise<void>): Promise<void> {
  await db.query(`BEGIN; LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`)
  try {
    send()
    await blocked(table)
    await strike()
  } finally {
    await db.query('ROLLBACK')
  }
  await quiet(table)
}

/** Kills the portal while it writes to `table`, and starts it again. */
async function killedWriting(table: string, send: () => Promise<Answer>): Promise<void> {
  const lost: unknown[] = []
  await inTheMiddleOf(
    table,
    () =>
      send().then(
        (answer) => lost.push(answer.status),
        () => {},
      ),
    () => portal.kill(),
  )
  expect(lost, 'the answer never came').toEqual([])
  portal = await launchPortal({}, portal)
}

const users = (email: string) => rows('emails WHERE address = $1 AND verified_at IS NOT NULL', [email])

/** Signs in, or up when there is no such account: either way that is the end of it. */
async function getsIn(someone: Person): Promise<void> {
  const browser = new Visitor(portal)
  const answer = await browser.signIn(someone)
  if (answer.location !== '/account') await browser.signUp(someone)
  expect((await browser.session()).status).toBe(200)
  expect(await users(someone.email)).toBe(1)
}

for (const table of ['users', 'emails', 'passwords', 'events', 'sessions']) {
  test(`a sign-up that dies while it writes ${table} leaves one account or none`, async () => {
    const newcomer = newPerson()
    const browser = new Visitor(portal)
    const { flow } = await browser.submitSignUp(newcomer)
    const code = (await latestMail(newcomer.email, 1, portal.url)).codes[0] ?? ''
    await killedWriting(table, () => browser.post('/verify/submit', { flow, code }))
    expect(await users(newcomer.email)).toBeLessThanOrEqual(1)
    await browser.post('/verify/submit', { flow, code })
    await getsIn(newcomer)
  })
}

for (const table of ['one_time_links', 'passwords', 'sessions']) {
  test(`a reset that dies while it writes ${table} leaves exactly one password good`, async () => {
    const owner = newPerson()
    const browser = new Visitor(portal)
    await browser.signUp(owner)
    await browser.post('/forgot/submit', { email: owner.email })
    await expect
      .poll(async () =>
        (await latestMail(owner.email, 1, portal.url)).links.some((l) => l.includes('/reset')),
      )
      .toBe(true)
    const mail = await latestMail(owner.email, 1, portal.url)
    const link = mail.links.find((l) => l.includes('/reset')) ?? ''
    const token = new URL(link).searchParams.get('token') ?? ''
    const next = { ...owner, password: newPerson().password }
    await killedWriting(table, () => browser.post('/reset/submit', { token, password: next.password }))
    const good = async (who: Person) => (await new Visitor(portal).signIn(who)).location === '/account'
    const [old, fresh] = [await good(owner), await good(next)]
    expect([old, fresh].filter(Boolean), `old ${old}, new ${fresh}`).toHaveLength(1)
    if (old) {
      // Nothing happened, so the link is as good as before, once.
      await browser.post('/reset/submit', { token, password: next.password })
      expect(await good(next)).toBe(true)
      expect(await good(owner)).toBe(false)
    }
    const third = { ...owner, password: newPerson().password }
    await browser.post('/reset/submit', { token, password: third.password })
    expect(await good(third), 'the link is good once').toBe(false)
  })
}

const live = (sid: string) => rows('refresh_tokens WHERE session_id = $1 AND consumed_at IS NULL', [sid])

test('a code whose answer was lost gives no second family of tokens', async () => {
  const browser = new Visitor(portal)
  await browser.signIn(person)
  const { sid = '' } = await browser.session()
  const { redeem } = await codeFor(browser, portal)
  await killedWriting('refresh_tokens', () => redeem(portal))
  const again = await redeem(portal)
  expect([200, 400]).toContain(again.status)
  expect(await live(sid)).toBeLessThanOrEqual(1)
  expect((await redeem(portal)).status, 'a code is good once').toBe(400)
  expect((await browser.session()).status, 'the person is still signed in').toBe(200)
  expect(await tokensFor(browser, portal)).toBeTruthy()
})

test('a refresh whose answer was lost signs nobody out of the portal, and no token is good twice', async () => {
  const browser = new Visitor(portal)
  await browser.signIn(person)
  const { sid = '' } = await browser.session()
  const { refresh } = await tokensFor(browser, portal)
  const fields = { grant_type: 'refresh_token', refresh_token: refresh }
  await killedWriting('refresh_tokens', () => askToken(portal, browser, fields))
  const again = await askToken(portal, browser, fields)
  expect([200, 400]).toContain(again.status)
  if (again.status === 400) expect(JSON.parse(again.body).error).toBe('invalid_grant')
  expect(await live(sid)).toBeLessThanOrEqual(1)
  expect((await browser.session()).status).toBe(200)
  expect(await tokensFor(browser, portal)).toBeTruthy()
})

test('a rotation of keys that dies leaves one active key, and the next one works', async () => {
  const rotate = () => {
    const child = spawn(process.execPath, ['scripts/gatehouse.mjs', 'key', 'rotate', '--now'], {
      cwd: path.resolve(import.meta.dirname, '..'),
      env: { ...process.env, NODE_ENV: 'production', GATEHOUSE_DATA: portal.data },
      stdio: 'ignore',
    })
    return { child, gone: new Promise((resolve) => child.once('exit', resolve)) }
  }
  let running: ReturnType<typeof rotate> | undefined
  await inTheMiddleOf(
    'signing_keys',
    () => {
      running = rotate()
    },
    async () => {
      running?.child.kill('SIGKILL')
      await running?.gone
    },
  )
  const active = () =>
    db.query("SELECT algorithm, count(*)::int FROM signing_keys WHERE status = 'active' GROUP BY 1")
  for (const { count } of (await active()).rows) expect(count).toBe(1)
  await gatehouse(['key', 'rotate', '--now'], { data: portal.data })
  for (const { count } of (await active()).rows) expect(count).toBe(1)
  expect((await visitor.get('/oidc/jwks')).status).toBe(200)
  expect(await tokensFor(visitor, portal)).toBeTruthy()
})
