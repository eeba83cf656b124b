/**
 * Who has an account shows nowhere in the login: not in answers, not in limits, and not in time. Time is
 * judged by what costs it: the statements and Redis commands of a request, which do not depend on the
 * machine's mood (ENU1 to ENU3).
 */
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import { hmac } from '../base/secrets'
import * as factors from '../factors'
import * as recovery from '../recovery'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as signin from './index'

const stores = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
const PASSWORD = 'violet anvil harbour lamp'

// No room listens here to what happens to users: what it did on hearing of it would be counted with a request.
beforeAll(() => audit.migrate())
afterEach(() => setClock(null))

const unknown = () => `nob.${uuid().slice(0, 8)}@example.com`

async function known(number?: string): Promise<string> {
  const email = `ada.${uuid().slice(0, 8)}@example.com`
  const hash = await factors.password.hash(PASSWORD)
  if (!hash.ok) throw new Error('hash')
  const id = await inTx(async (tx) => {
    const made = await users.register(tx, { email, verified: true, locale: 'en' })
    if (!made.ok) throw new Error(made.refusal.code)
    await factors.password.set(tx, made.value.id, hash.value)
    return made.value.id
  })
  if (number) {
    await stores.sql(
      'INSERT INTO phones (user_id, number, is_primary, verified_at) VALUES ($1, $2, true, now())',
      [id, number],
    )
  }
  return email
}

async function begin() {
  const caller = testCaller()
  const begun = await signin.begin({ returnTo: '/account', caller })
  if (!begun.ok) throw new Error(begun.refusal.code)
  const cookies = Object.fromEntries(
    begun.value.setCookies.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string]),
  )
  return { flow: begun.value.flow, caller: { ...caller, cookies } }
}

let moved = 0
const at = Date.now()
/** Time stands still between two waits, however slow the machine is. */
beforeEach(() => setClock(() => at + moved))
const wait = (seconds: number) => {
  moved += seconds * 1000
}

/** After a day whatever both share (the network's limits) is as it was. */
const DAY = 86_400

type Ask = (flow: string, caller: Caller) => ReturnType<typeof signin.emailCode>

/** What a stranger is told who asks in several browsers, guesses, and asks again. */
async function stranger(ask: Ask): Promise<string[]> {
  const told: string[] = []
  const note = (result: Awaited<ReturnType<Ask>>, flow: string) =>
    told.push(JSON.stringify(result).replaceAll(flow, 'FLOW'))
  for (let browser = 0; browser < 4; browser++) {
    const { flow, caller } = await begin()
    note(await ask(flow, caller), flow)
    const again = await begin()
    note(await ask(again.flow, again.caller), again.flow)
    for (let guess = 0; guess < 6; guess++) {
      note(await signin.verify(flow, { code: '000000' }, caller), flow)
    }
    note(await signin.resend(flow, caller), flow)
    wait(31)
  }
  return told
}

describe('limits', () => {
  it('codes_asked_for_and_guessed_in_several_browsers_tell_nothing_about_the_address', async () => {
    const of = (email: string) => stranger((flow, caller) => signin.emailCode(flow, { email }, caller))
    const somebody = await of(await known())
    wait(DAY)
    expect(await of(unknown())).toEqual(somebody)
  })

  it('codes_asked_for_and_guessed_in_several_browsers_tell_nothing_about_the_number', async () => {
    const of = (phone: string) => stranger((flow, caller) => signin.phoneCode(flow, { phone }, caller))
    await known('+4915123450001')
    const somebody = await of('+4915123450001')
    wait(DAY)
    expect(await of('+4915199990002')).toEqual(somebody)
  })
})

/** What a request asks of the stores: statements by their text, Redis commands by name. */
async function costs(run: () => Promise<unknown>): Promise<string[]> {
  const trace: string[] = []
  const query = pg.Client.prototype.query
  const send = Redis.prototype.sendCommand
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const asked = args[0] as string | { text: string }
    trace.push(typeof asked === 'string' ? asked : asked.text)
    return Reflect.apply(query, this, args)
  } as typeof query
  Redis.prototype.sendCommand = function (this: Redis, ...args: Parameters<typeof send>) {
    trace.push(`redis ${args[0].name}`)
    return Reflect.apply(send, this, args)
  }
  try {
    await run()
  } finally {
    pg.Client.prototype.query = query
    Redis.prototype.sendCommand = send
  }
  return trace
}

/** The count of failures is the last that a wrong password does beside its answer; nothing of it comes after. */
async function failureCounted(email: string): Promise<void> {
  const user = await users.find({ email })
  const key = hmac('budget', `signin-failures:${user?.id}`)
  await vi.waitFor(
    async () => expect((await stores.sql('SELECT FROM budgets WHERE key = $1', [key])).rowCount).toBe(1),
    { timeout: 30_000 },
  )
}

describe('time', () => {
  const REQUESTS: Record<string, (email: string) => Promise<() => Promise<unknown>>> = {
    'a wrong password': async (email) => {
      const { flow, caller } = await begin()
      return () => signin.password(flow, { email, password: 'not the password' }, caller)
    },
    'a sign-in code by mail': async (email) => {
      const { flow, caller } = await begin()
      return () => signin.emailCode(flow, { email }, caller)
    },
    'a forgotten password': async (email) => () => recovery.forgot({ email }, testCaller()),
    'a recovery': async (email) => () => recovery.delayed.request({ email }, testCaller()),
  }

  for (const [name, prepare] of Object.entries(REQUESTS)) {
    it(`${name} costs the same statements for somebody and for nobody`, async () => {
      // Connections and plans of the first run are nobody's.
      await (await prepare(unknown()))()
      const email = await known()
      const somebody = await costs(await prepare(email))
      if (name === 'a wrong password') await failureCounted(email)
      const nobody = await costs(await prepare(unknown()))
      expect(nobody.length).toBeGreaterThan(2)
      if (name !== 'a wrong password') return expect(nobody).toEqual(somebody)
      // Its event is written, and counted, beside the answer, which does not wait for either.
      const more = [...somebody]
      for (const text of nobody) {
        expect(more).toContain(text)
        more.splice(more.indexOf(text), 1)
      }
      const kinds = more.map((text) => /INSERT INTO (events|budgets)/.exec(text)?.[1] ?? text)
      expect([[], ['events'], ['budgets', 'events']]).toContainEqual(kinds.sort())
    })
  }

  it('no_request_waits_for_the_mail_server', async () => {
    // Nothing is delivered in this test: what is asked for is owed, and the answer is out.
    const email = await known()
    await recovery.forgot({ email }, testCaller())
    const { flow, caller } = await begin()
    await signin.emailCode(flow, { email }, caller)
    const { rows } = await stores.sql(
      `SELECT kind FROM deliveries WHERE delivered_at IS NULL AND attempts = 0 AND created_at > now() - interval '1 minute'`,
    )
    const kinds = rows.map(({ kind }) => kind)
    expect(kinds).toEqual(expect.arrayContaining(['mail', 'password_reset']))
  })
})
