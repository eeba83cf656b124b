/**
 * A rolling update (REL5): two portals on the same stores, one after the other replaced behind a balancer
 * while people sign in, look at pages, send forms and apps refresh. Nobody notices, the database learns the
 * next version's tables meanwhile, and a page of a build that is gone says so.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from '@playwright/test'
import pg from 'pg'
import { knownMigrations, migrate } from '../lib/host/migrate'
import { type Servers, startServers } from '../lib/testing/servers'
import crash from '../lib/texts/en/crash.json' with { type: 'json' }
import host from '../lib/texts/en/host.json' with { type: 'json' }
import { freePort } from '../scripts/free-port.mjs'
import { callByForm, type Fields, MULTIPART, multipart } from './actions'
import { type Balancer, startBalancer } from './balancer'
import { gatehouse } from './command'
import { newPerson } from './people'
import { launchPortal, type Portal } from './portal'
import { askToken, type Client, type Tokens, tokensFor } from './tokens'
import { type Answer, someAddress, Visitor } from './visitor'

test.describe.configure({ mode: 'default', timeout: 300_000 })

let servers: Servers
let balancer: Balancer
let settings: Record<string, string>
let portals: Portal[] = []
let place: { url: string; port: number; demoUrl: string; client: Client }
const person = newPerson()
let visitor: Visitor

async function launch(): Promise<Portal> {
  const portal = await launchPortal(settings)
  portals.push(portal)
  balancer.add(portal.port)
  return portal
}

/** On a busy machine a start may wait for the database; that is logged, and nobody's request. */
async function retire(portal: Portal): Promise<void> {
  await portal.stop(/PostgreSQL does not answer|postgres does not answer/)
  portals = portals.filter((other) => other !== portal)
}

test.beforeAll(async () => {
  test.setTimeout(240_000)
  servers = await startServers()
  balancer = await startBalancer()
  const database = new URL(servers.databaseUrl)
  const admin = new pg.Client({ connectionString: servers.databaseUrl })
  await admin.connect()
  await admin.query('CREATE DATABASE rolling')
  await admin.end()
  database.pathname = '/rolling'
  settings = {
    DATABASE_URL: database.href,
    REDIS_URL: servers.redisUrl,
    GATEHOUSE_URL: balancer.url,
    GATEHOUSE_SECRET: 'one-secret-for-all-processes-of-this-portal',
    SHUTDOWN_NOTICE_SECONDS: '2',
  }
  const first = await launch()
  await launch()
  const demoUrl = `http://localhost:${await freePort()}`
  const args = ['client', 'add', '--name', 'App', '--redirect-uri', `${demoUrl}/callback`]
  const app = JSON.parse(await gatehouse([...args, '--json'], { data: first.data, settings }))
  const client = { clientId: app.client_id, clientSecret: app.client_secret }
  place = { url: balancer.url, port: balancer.port, demoUrl, client }
  const add = ['user', 'add', '--email', person.email, '--verified']
  await gatehouse(add, { data: first.data, settings, input: person.password })
  visitor = new Patient(place)
  expect((await visitor.signIn(person)).location).toBe('/account')
})

test.afterAll(async () => {
  await Promise.all(portals.map(retire))
  await balancer?.close()
  await servers?.stop()
})

/**
 * Somebody who does what a page says: where a store was slow to answer (503, and when to come back), they send it
 * again. On a busy machine that happens; that a process stops is no such reason.
 */
class Patient extends Visitor {
  override async send(...what: Parameters<Visitor['send']>): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const answer = await super.send(...what)
      const slow = answer.status === 503 && answer.headers['retry-after'] && SLOW.test(answer.body)
      if (!slow || tries === 3) return answer
    }
  }
}

const SLOW = new RegExp(`${host.storesDown}|a store does not answer`)

/** The fields of the form on a page that has a field of this name, as a browser would send them. */
function formWith(name: string, html: string): Fields {
  const forms = html.match(/<form[\s\S]*?<\/form>/g) ?? []
  const form = forms.find((one) => one.includes(`name="${name}"`)) ?? ''
  const plain = (text: string) =>
    text
      .replace(/&quot;/g, '"')
      .replace(/&#x27;/g, "'")
      .replace(/&amp;/g, '&')
  return [...form.matchAll(/<input[^>]*>/g)].flatMap(([tag]): Fields => {
    const field = /name="([^"]*)"/.exec(tag)?.[1]
    return field ? [[field, plain(/value="([^"]*)"/.exec(tag)?.[1] ?? '')]] : []
  })
}

const SAVED = 'Your profile is saved.'

/** Saves a display name from a page as `drawnBy` drew it. */
async function saveName(who: Visitor, drawnBy: Visitor, displayName: string): Promise<string> {
  const page = await drawnBy.get('/account/profile')
  const fields = formWith('displayName', page.body).filter(([name]) => name !== 'displayName')
  const mine: Fields = [
    ['displayName', displayName],
    ['locale', 'en'],
    ['timezone', 'Europe/Zurich'],
  ]
  const body = multipart([...fields, ...mine])
  const answer = await who.send('POST', '/account/profile', { origin: place.url, ...MULTIPART }, body)
  return answer.body.includes(SAVED) ? SAVED : `${page.status}, ${answer.status} ${answer.body.slice(0, 200)}`
}

/** Does the same over and over until it is told to stop. @returns how often it went well, and what did not */
function again(what: string, once: () => Promise<void>) {
  let [going, good] = [true, 0]
  const wrong: string[] = []
  const done = (async () => {
    while (going) {
      await once().then(
        () => good++,
        (error: Error) => wrong.push(`${what}: ${error.message}`),
      )
    }
  })()
  return {
    end: async () => {
      going = false
      await done
      return { what, good, wrong }
    },
  }
}

function must(got: unknown, wanted: unknown, what: string): void {
  if (got !== wanted) throw new Error(`${what}: ${got}`)
}

/** The next version's migrations: this one's, and one that gives every table another column. */
function laterMigrations(): { folder: string; name: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-migrations-'))
  cpSync(path.resolve(import.meta.dirname, '../prisma/migrations'), folder, { recursive: true })
  const name = '99990101000000_later'
  mkdirSync(path.join(folder, name))
  const sql = `DO $$ DECLARE one text; BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' LOOP
      EXECUTE format('ALTER TABLE %I ADD COLUMN later text', one);
    END LOOP; END $$;`
  writeFileSync(path.join(folder, name, 'migration.sql'), sql)
  return { folder, name }
}

test('nobody_notices_that_every_process_is_replaced_and_the_schema_grows', async () => {
  const [a, b] = portals as [Portal, Portal]
  let tokens: Tokens = await tokensFor(visitor, place)
  let names = 0
  const loops = [
    again('people', async () => {
      const someone = new Patient(place)
      must((await someone.signIn(person)).location, '/account', 'sign-in')
      must((await someone.session()).status, 200, 'session check')
      must((await visitor.get('/account')).status, 200, 'page')
      must(await saveName(visitor, visitor, `Name ${names++}`), SAVED, 'form')
    }),
    again('apps', async () => {
      const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh }
      const answer = await askToken(place, visitor, fields)
      must(answer.status, 200, `refresh ${answer.body}`)
      const { access_token, refresh_token } = JSON.parse(answer.body)
      tokens = { access: access_token, refresh: refresh_token }
      const authorization = `Bearer ${tokens.access}`
      const info = await visitor.get('/oidc/userinfo', { authorization, cookie: undefined })
      must(info.status, 200, `userinfo ${info.body}`)
    }),
  ]
  const later = laterMigrations()
  const known = knownMigrations(later.folder)
  const served: number[] = []
  try {
    // Two processes of the next version come up at once; one applies what is new.
    const database = settings.DATABASE_URL ?? ''
    const applied = await Promise.all([migrate(database, known), migrate(database, known)])
    expect(applied.flat()).toEqual([later.name])
    for (const old of [a, b]) {
      const fresh = await launch()
      await expect.poll(() => balancer.served(fresh.port)).toBeGreaterThan(0)
      await retire(old)
      const before = balancer.served(fresh.port)
      await expect.poll(() => balancer.served(fresh.port)).toBeGreaterThan(before)
      served.push(balancer.served(old.port), before)
    }
  } finally {
    rmSync(later.folder, { recursive: true })
    const done = await Promise.all(loops.map((loop) => loop.end()))
    expect(done.flatMap(({ wrong }) => wrong)).toEqual([])
    for (const { what, good } of done) expect(good, what).toBeGreaterThan(3)
  }
  expect(Math.min(...served)).toBeGreaterThan(0)
  // Who was signed in through the old ones still is, and so is the app.
  expect((await visitor.session()).status).toBe(200)
})

test('a_form_that_one_process_drew_is_taken_by_the_other', async () => {
  const [a, b] = portals as [Portal, Portal]
  const at = (portal: Portal) => {
    const twin = new Visitor({ url: place.url, port: portal.port }, visitor.ip)
    for (const [name, value] of visitor.cookies) twin.cookies.set(name, value)
    return twin
  }
  for (const [draws, takes] of [
    [a, b],
    [b, a],
  ] as const) {
    expect(await saveName(at(takes), at(draws), 'The Countess')).toBe(SAVED)
    // A sign-in walks over both as well.
    const someone = new Visitor({ url: place.url, port: draws.port })
    const flow = await someone.begin()
    someone.place.port = takes.port
    const answer = await someone.post('/signin/password', { flow, ...person })
    expect(answer.location).toBe('/account')
  }
})

test('a_page_of_a_build_that_is_gone_says_so_and_changes_nothing', async ({ browser }) => {
  const gone = '60ffffffffffffffffffffffffffffffffffffffff'
  const fields: Fields = [['displayName', 'Nobody']]
  const call = { id: gone, page: '/account/profile', fields, stateful: true }
  const byForm = await callByForm(visitor, call)
  expect(byForm.status).toBe(409)
  expect(byForm.body).toContain(host.outdated)

  const context = await browser.newContext({ extraHTTPHeaders: { 'x-forwarded-for': someAddress() } })
  await context.addCookies(
    [...visitor.cookies].map(([name, value]) => ({ name, value, url: place.url, sameSite: 'Lax' as const })),
  )
  const page = await context.newPage()
  await page.goto(`${place.url}/account/profile`)
  await page.getByLabel('Display name').fill('Nobody')
  await page.route('**/account/profile', async (route) => {
    const headers = route.request().headers()
    await route.continue({ headers: headers['next-action'] ? { ...headers, 'next-action': gone } : headers })
  })
  await page.getByRole('button', { name: 'Save changes' }).click()
  await expect(page.getByRole('heading', { name: crash.outdatedTitle })).toBeVisible()
  await page.unroute('**/account/profile')
  await page.getByRole('button', { name: crash.reload }).click()
  await expect(page.getByLabel('Display name')).toHaveValue('The Countess')
  await page.getByRole('button', { name: 'Save changes' }).click()
  await expect(page.getByText(SAVED)).toBeVisible()
  await context.close()
})
