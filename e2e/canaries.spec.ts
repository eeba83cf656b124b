/**
 * Somebody signs up, errs, forgets, and uses an app; every secret on the way is a canary. None of them is
 * found afterwards in what the portal wrote: log, database, Redis, files (LOG1, OTP3, SES1). And the
 * history says what happened, who did it and from where (LOG2).
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from '@playwright/test'
import { Redis } from 'ioredis'
import pg from 'pg'
import { latestMail, mailsTo } from './mailbox'
import { newPerson } from './people'
import { launchPortal, type Portal } from './portal'
import { askToken, tokensFor } from './tokens'
import { Visitor } from './visitor'

test.describe.configure({ mode: 'default', timeout: 120_000 })

let portal: Portal
let userId = ''
/** What it is → what must not be found. */
const canaries = new Map<string, string>()
const person = newPerson()
const UA = 'Mozilla/5.0 (X11; Linux x86_64) Canary\u009b31m/1.0'

test.beforeAll(async () => {
  portal = await launchPortal({ LOG_LEVEL: 'debug' })
  const visitor = new Visitor(portal)
  const say = { 'user-agent': UA }

  canaries.set('password', person.password)
  const wrong = `wrong-${newPerson().password}`
  canaries.set('wrong password', wrong)
  canaries.set('address', person.email)
  const { flow } = await visitor.submitSignUp(person, say)
  canaries.set('flow', flow)
  const mail = await latestMail(person.email, 1, portal.url)
  canaries.set('code of the sign-up', mail.codes[0] ?? '')
  await visitor.post('/verify/submit', { flow, code: '000000' }, say)
  await visitor.post('/verify/submit', { flow, code: mail.codes[0] ?? '' }, say)
  userId = (await visitor.session()).userId ?? ''
  for (const [name, value] of visitor.cookies) canaries.set(`cookie ${name}`, value)

  const second = new Visitor(portal)
  await second.signIn({ ...person, password: wrong })
  const codeFlow = await second.begin()
  await second.post('/signin/code', { flow: codeFlow, email: person.email }, say)
  const code = await newCode()
  canaries.set('code of the sign-in', code)
  await second.post('/verify/submit', { flow: codeFlow, code }, say)
  expect((await second.session()).status).toBe(200)
  for (const [name, value] of second.cookies) canaries.set(`cookie ${name} of the second browser`, value)

  const tokens = await tokensFor(visitor, portal)
  canaries.set('access token', tokens.access)
  canaries.set('refresh token', tokens.refresh)
  const refreshed = JSON.parse(
    (await askToken(portal, visitor, { grant_type: 'refresh_token', refresh_token: tokens.refresh })).body,
  )
  for (const name of ['access_token', 'refresh_token', 'id_token'])
    canaries.set(`next ${name}`, refreshed[name])
  const { client } = JSON.parse(readFileSync(path.join(portal.data, 'demo.json'), 'utf8'))
  canaries.set('client secret', client.clientSecret)
  await visitor.get('/oidc/userinfo', {
    authorization: `Bearer ${refreshed.access_token}`,
    cookie: undefined,
  })

  await visitor.post('/forgot/submit', { email: person.email }, say)
  const link = await linkTo('/reset')
  const token = new URL(link).searchParams.get('token') ?? ''
  canaries.set('token of the reset', token)
  await visitor.get(`/reset?token=${token}`, { accept: 'text/html', ...say })
  const next = newPerson().password
  canaries.set('new password', next)
  await visitor.post('/reset/submit', { token, password: next }, say)
  expect((await new Visitor(portal).signIn({ ...person, password: next })).location).toBe('/account')
  canaries.set('token of the lockdown', new URL(await linkTo('/lockdown')).searchParams.get('token') ?? '')
})

test.afterAll(async () => {
  await portal?.stop()
})

/** The sign-in code, once its mail is there: mails may overtake each other. */
async function newCode(): Promise<string> {
  let code = ''
  await expect
    .poll(async () => {
      const mails = await mailsTo(person.email, portal.url)
      code =
        mails.map((m) => m.codes[0] ?? '').find((c) => c && c !== canaries.get('code of the sign-up')) ?? ''
      return code
    })
    .not.toBe('')
  return code
}

async function linkTo(page: string): Promise<string> {
  let link = ''
  await expect
    .poll(async () => {
      const mails = await mailsTo(person.email, portal.url)
      link = mails.flatMap((m) => m.links).find((l) => new URL(l).pathname === page) ?? ''
      return link
    })
    .not.toBe('')
  return link
}

/** Each canary that is in the text; a code of six digits only where it stands alone. */
function found(text: string, names: Iterable<string> = canaries.keys()): string[] {
  return [...names].filter((name) => {
    const value = canaries.get(name) ?? ''
    if (!value) throw new Error(`no canary: ${name}`)
    return /^\d{6}$/.test(value) ? new RegExp(`(?<![\\d.])${value}(?!\\d)`).test(text) : text.includes(value)
  })
}

const secrets = () => [...canaries.keys()].filter((name) => name !== 'address')

test('secrets_are_not_in_the_log, nor is the address', () => {
  const log = portal.output()
  expect(log.split('\n').length, 'there is a log').toBeGreaterThan(50)
  expect(log).toContain('/verify/submit')
  expect(found(log)).toEqual([])
})

test('secrets_are_not_in_the_database', async () => {
  const client = new pg.Client({ connectionString: portal.stores().databaseUrl })
  await client.connect()
  const { rows: tables } = await client.query(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
     WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`,
  )
  let seen = 0
  for (const { name } of tables) {
    const { rows } = await client.query(`SELECT to_jsonb(t)::text AS row FROM ${name} t`)
    const text = rows.map(({ row }) => row).join('\n')
    if (text.includes(person.email)) seen++
    expect(found(text, secrets()), name).toEqual([])
  }
  expect(seen, 'the address is where it belongs').toBeGreaterThan(0)
  await client.end()
})

test('secrets_are_not_in_redis', async () => {
  const redis = new Redis(portal.stores().redisUrl)
  const keys = await redis.keys('*')
  // Mail for developers is kept to be read; with a mail server there is none of it.
  const names = keys.filter((name) => name !== 'dev:mailbox')
  expect(names.length).toBeGreaterThan(2)
  for (const name of names) {
    const type = await redis.type(name)
    const value =
      type === 'hash'
        ? await redis.hgetall(name)
        : type === 'list'
          ? await redis.lrange(name, 0, -1)
          : type === 'set'
            ? await redis.smembers(name)
            : await redis.get(name)
    // The name of a running sign-in is in its key: of no use without the cookie of the browser.
    expect(found(JSON.stringify(value), secrets()), name).toEqual([])
    expect(
      found(
        name,
        secrets().filter((canary) => canary !== 'flow'),
      ),
      name,
    ).toEqual([])
  }
  redis.disconnect()
})

test('secrets_are_not_in_files', () => {
  const files = readdirSync(portal.data, { recursive: true, withFileTypes: true }).filter((f) => f.isFile())
  expect(files.length).toBeGreaterThan(1)
  for (const file of files) {
    const place = path.join(file.parentPath, file.name)
    if (place.includes('postgres') || statSync(place).size > 5_000_000) continue
    const own = file.name === 'demo.json' ? ['client secret'] : []
    expect(
      found(readFileSync(place, 'latin1'), secrets()).filter((name) => !own.includes(name)),
      place,
    ).toEqual([])
  }
})

test('the history says what happened, who did it and from where; nothing in it can be changed', async () => {
  const client = new pg.Client({ connectionString: portal.stores().databaseUrl })
  await client.connect()
  const { rows } = await client.query(
    'SELECT type, outcome, host(ip) AS ip, user_agent, request_id FROM events WHERE user_id = $1 ORDER BY id',
    [userId],
  )
  const types = rows.map(({ type, outcome }) => `${type} ${outcome}`)
  for (const expected of [
    'user.registered success',
    'session.opened success',
    'signin.failed failure',
    'password.changed success',
    'session.revoked success',
  ]) {
    expect(types, expected).toContain(expected)
  }
  for (const row of rows) {
    expect(row.ip, row.type).toMatch(/^198\.19\./)
    expect(row.request_id, row.type).toMatch(/^[0-9a-f-]{36}$/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
    expect(row.user_agent ?? '', row.type).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
  }
  expect(rows.some(({ user_agent }) => user_agent?.includes('Canary'))).toBe(true)
  for (const change of ["UPDATE events SET type = 'x'", 'DELETE FROM events', 'TRUNCATE events']) {
    await expect(client.query(change), change).rejects.toThrow()
  }
  await client.end()
})
