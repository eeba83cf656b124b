/** GATEHOUSE_SECRET gets a new first entry while people are in the middle of things (KEY2). */
import { beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { budget } from '../base/limits'
import { forgetKeys } from '../base/secrets'
import * as factors from '../factors'
import * as notify from '../notify'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as signin from './index'

useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
const PASSWORD = 'violet anvil harbour lamp'

let secrets = 'test-secret-test-secret-test-secret-0001'
/** What an operator does, and then starts the portal again. */
function rotate(options: { forgetOld?: boolean } = {}): void {
  const fresh = `rotated-${uuid()}`
  secrets = options.forgetOld ? fresh : `${fresh},${secrets}`
  process.env.GATEHOUSE_SECRET = secrets
  reloadEnv()
  forgetKeys()
}

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})

const jar = (setCookies: string[]): Record<string, string> =>
  Object.fromEntries(setCookies.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s)))

async function person() {
  const email = `ada.${uuid().slice(0, 8)}@example.com`
  const hash = await factors.password.hash(PASSWORD)
  if (!hash.ok) throw new Error(hash.refusal.code)
  await inTx(async (tx) => {
    const made = await users.register(tx, { email, verified: true, locale: 'en' })
    if (!made.ok) throw new Error(made.refusal.code)
    await factors.password.set(tx, made.value.id, hash.value)
  })
  return email
}

async function begin() {
  const caller = testCaller()
  const begun = await signin.begin({ caller })
  if (!begun.ok) throw new Error(begun.refusal.code)
  return { flow: begun.value.flow, caller: { ...caller, cookies: jar(begun.value.setCookies) } }
}

describe('a new secret in front of the old one', () => {
  it('signs nobody out, and an attempt that runs goes on', async () => {
    const email = await person()
    const { flow, caller } = await begin()
    rotate()
    const outcome = await signin.password(flow, { email, password: PASSWORD }, caller)
    if (!outcome.ok || outcome.value.step !== 'done') throw new Error(JSON.stringify(outcome))
    rotate()
    expect(await sessions.check(jar(outcome.value.setCookies))).toMatchObject({ method: 'password' })
  })

  it('leaves a code that is on its way good, once', async () => {
    const email = await person()
    const { flow, caller } = await begin()
    await signin.emailCode(flow, { email }, caller)
    await audit.drain()
    const [mail] = await notify.mailbox.list({ to: email })
    rotate()
    const code = mail?.codes[0] ?? ''
    const outcome = await signin.verify(flow, { code }, caller)
    expect(outcome).toMatchObject({ ok: true, value: { step: 'done' } })
    const again = await begin()
    expect(await signin.verify(again.flow, { code }, again.caller)).toMatchObject({ ok: false })
  })

  it('gives_no_guess_back', async () => {
    const spend = () => budget('of-this-test', { max: 5, windowSeconds: 3600 })
    for (let i = 0; i < 3; i++) expect((await spend()).ok).toBe(true)
    rotate()
    expect(await spend()).toMatchObject({ ok: true, value: { left: 1 } })
    rotate()
    const last = await Promise.all([spend(), spend(), spend()])
    expect(last.filter((r) => r.ok)).toHaveLength(1)

    const whose = { userId: uuid() }
    const second = async () => (await factors.tries.spendSecond(whose)).ok
    let passed = 0
    for (let i = 0; i < 14; i++) {
      if (i % 4 === 3) rotate()
      if (await second()) passed++
    }
    expect(passed).toBe(10)
  })
})

describe('a secret that is gone', () => {
  it('ends what was sealed under it, as "not signed in" and never as an error', async () => {
    const email = await person()
    const { flow, caller } = await begin()
    const outcome = await signin.password(flow, { email, password: PASSWORD }, caller)
    if (!outcome.ok || outcome.value.step !== 'done') throw new Error(JSON.stringify(outcome))
    const running = await begin()
    rotate({ forgetOld: true })
    expect(await sessions.check(jar(outcome.value.setCookies))).toBeNull()
    expect(await signin.expect(running.flow, running.caller)).toMatchObject({
      ok: false,
      refusal: { code: 'flow_expired' },
    })
  })
})
