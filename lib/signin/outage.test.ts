/** The mail server is down while people sign up: nobody's mail is lost, doubled, or comes with a code that is over (REL7). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { closeTransport } from '../notify'
import * as recovery from '../recovery'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import { mailServer } from '../testing/smtp'
import * as signin from './index'

const { sql, redis } = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
const server = mailServer()
const MINUTE = 60_000

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  // A port that nobody listens on until the server is back.
  await server.start()
  await server.stop()
  process.env.SMTP_URL = server.url()
  reloadEnv()
  return () => sessions.stop()
})
afterEach(() => setClock(null))
afterAll(async () => {
  delete process.env.SMTP_URL
  reloadEnv()
  closeTransport()
  await server.stop()
})

const start = Date.now()
const at = (ms: number) => setClock(() => start + ms)

interface SignUp {
  email: string
  flow: string
  caller: Caller
}

async function signUp(): Promise<SignUp> {
  const caller = testCaller()
  const begun = await signin.begin({ returnTo: '/account', caller })
  if (!begun.ok) throw new Error(begun.refusal.code)
  const { flow, setCookies } = begun.value
  const cookies = Object.fromEntries(
    setCookies.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string]),
  )
  const email = `${uuid().slice(0, 8)}@example.com`
  const browser = { ...caller, cookies }
  const asked = await signin.signUp(flow, { email, password: 'violet anvil harbour lamp' }, browser)
  expect(asked).toMatchObject({ ok: true, value: { step: 'verify_email' } })
  return { email, flow, caller: browser }
}

const mailTo = (email: string) => server.received.filter(({ to }) => to.includes(email))
const codeIn = (email: string) => /\b\d{6}\b/.exec(mailTo(email)[0]?.mail.text ?? '')?.[0] ?? ''
const type = ({ flow, caller, email }: SignUp) => signin.verify(flow, { code: codeIn(email) }, caller)

describe('a mail server that is down for ten minutes', () => {
  it('under sign-ups: every mail arrives once afterwards, and its code is good for ten minutes from then', async () => {
    const people: SignUp[] = []
    const strangers: string[] = []
    for (let minute = 0; minute <= 10; minute++) {
      at(minute * MINUTE)
      people.push(await signUp(), await signUp())
      const email = `${uuid().slice(0, 8)}@example.com`
      strangers.push(email)
      await recovery.forgot({ email }, testCaller())
      // The queue tries everything that waits, over and over.
      await audit.drain({ now: true })
    }
    expect(server.received).toHaveLength(0)

    await server.start()
    at(10.5 * MINUTE)
    await audit.drain({ now: true })
    await audit.drain({ now: true })
    for (const email of [...people.map((one) => one.email), ...strangers]) {
      expect(mailTo(email), email).toHaveLength(1)
    }
    expect(server.received).toHaveLength(people.length + strangers.length)
    const { rows } = await sql('SELECT 1 FROM deliveries WHERE delivered_at IS NULL')
    expect(rows).toEqual([])

    // Asked for at minute 0, sent at 10:30, typed at 20:00.
    const [first, second] = people
    if (!first || !second) throw new Error('nobody')
    at(20 * MINUTE)
    expect(await type(first)).toMatchObject({ ok: true, value: { step: 'done' } })
    at(20.5 * MINUTE + 1000)
    expect(await type(second)).toMatchObject({ ok: true, value: { refusal: { code: 'code_expired' } } })
  })

  it('whose receipt was lost: the mail comes twice, and brings no used or exhausted code to life', async () => {
    at(0)
    if (server.received.length === 0) await server.start()
    const [used, exhausted] = [await signUp(), await signUp()]
    const { rows } = await sql(`SELECT id, payload_sealed FROM deliveries WHERE delivered_at IS NULL`)
    await audit.drain({ now: true })
    expect(await type(used)).toMatchObject({ ok: true, value: { step: 'done' } })
    for (let guess = 0; guess < 5; guess++) {
      await signin.verify(exhausted.flow, { code: '000000' }, exhausted.caller)
    }
    for (const { id, payload_sealed: payload } of rows) {
      await sql(
        `WITH d AS (UPDATE deliveries SET delivered_at = NULL, payload_sealed = $2 WHERE id = $1 RETURNING id)
         SELECT graphile_worker.add_job('deliver:mail', json_build_object('id', id), job_key := 'delivery:' || id) FROM d`,
        [id, payload],
      )
    }
    const keys = async () => (await redis().keys('email_verification:*')).sort()
    const before = await keys()
    await audit.drain({ now: true })
    for (const { email } of [used, exhausted]) expect(mailTo(email)).toHaveLength(2)
    expect(await type(exhausted)).toMatchObject({ ok: true, value: { refusal: { code: 'code_exhausted' } } })
    expect(await keys()).toEqual(before)
  })
})
