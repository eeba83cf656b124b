/** What a password sign-in asks of the stores, and when: tries are paid before, given back after, and nothing changes between. */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import { inTx, pool } from '../base/db'
import { reloadEnv } from '../base/env'
import { redis } from '../base/redis'
import * as factors from '../factors'
import { enrol } from '../security'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as signin from './index'
import { begin, codeOf, done, FIRST, jar, must, person, refusal, stepOf } from './people.fixture'

const { sql } = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })

beforeAll(async () => {
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => {
  vi.restoreAllMocks()
  delete process.env.UNUSUAL_SIGN_IN
  reloadEnv()
})

const wrong = async (email: string) => {
  const { flow, caller } = await begin()
  return refusal(await signin.password(flow, { email, password: 'wrong wrong wrong' }, caller))
}
/** Tries that stand spent in budgets of all kinds. */
const spent = async (): Promise<number> => {
  const { rows } = await sql(`SELECT COALESCE(sum(spent), 0)::int AS spent FROM budgets`)
  return (rows[0] as { spent: number }).spent
}
/** Does something after a password was compared, before anybody hears of it. */
function meanwhile(act: () => Promise<unknown>) {
  const { verify } = factors.password
  return vi.spyOn(factors.password, 'verify').mockImplementationOnce(async (...args) => {
    const verified = await verify(...args)
    await act()
    return verified
  })
}

describe('tries', () => {
  it('are_paid_for_before_the_password_is_looked_at', async () => {
    const ada = await person()
    const before = await spent()
    const { verify } = factors.password
    let paid = 0
    vi.spyOn(factors.password, 'verify').mockImplementationOnce(async (...args) => {
      // Read by another connection: it is committed.
      paid = (await spent()) - before
      return verify(...args)
    })
    done(await FIRST.password(await begin(), ada))
    expect(paid).toBe(2)
  })

  it('are_given_back_by_what_opens_the_session', async () => {
    const ada = await person()
    for (let n = 0; n < 9; n++) expect(await wrong(ada.email)).toBe('wrong_credentials')
    done(await FIRST.password(await begin(), ada))
    for (let n = 0; n < 9; n++) expect(await wrong(ada.email)).toBe('wrong_credentials')
    done(await FIRST.password(await begin(), ada))
  })

  it('are_given_back_where_a_second_step_follows', async () => {
    const ada = await person({ totp: true })
    for (let n = 0; n < 9; n++) expect(await wrong(ada.email)).toBe('wrong_credentials')
    expect(stepOf(await FIRST.password(await begin(), ada))).toBe('second')
    for (let n = 0; n < 9; n++) expect(await wrong(ada.email)).toBe('wrong_credentials')
    expect(stepOf(await FIRST.password(await begin(), ada))).toBe('second')
  })

  it('are_given_back_when_a_right_password_proves_again_who_is_there', async () => {
    const ada = await person()
    const first = await begin()
    let cookies = jar(done(await FIRST.password(first, ada)).setCookies, first.caller.cookies)
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 9; n++) {
        const { flow, caller } = await begin(cookies)
        await signin.password(flow, { email: ada.email, password: 'wrong wrong wrong' }, caller)
      }
      cookies = jar(done(await FIRST.password(await begin(cookies), ada)).setCookies, cookies)
    }
    expect(await sessions.list(ada.id)).toHaveLength(1)
  })

  it('of_a_right_password_that_opens_nothing_are_given_back_too', async () => {
    const ada = await person()
    for (let n = 0; n < 9; n++) expect(await wrong(ada.email)).toBe('wrong_credentials')
    meanwhile(() => inTx((tx) => sessions.forgetTrust(tx, ada.id)))
    expect(refusal(await FIRST.password(await begin(), ada))).toBe('account_changed')
    for (let n = 0; n < 9; n++) expect(await wrong(ada.email)).toBe('wrong_credentials')
  })
})

describe('what changes while a password is compared', () => {
  it('a_second_factor_set_up_then_is_not_skipped', async () => {
    const ada = await person()
    const { caller } = await begin()
    const { secret } = must(await factors.totp.begin(ada.id, { label: ada.email, binding: 'elsewhere' }))
    const compared = meanwhile(async () => {
      const code = codeOf(secret)
      must(await inTx((tx) => enrol.totp(tx, ada.id, { code, name: 'Phone', binding: 'elsewhere' }, caller)))
    })
    expect(refusal(await FIRST.password(await begin(), ada))).toBe('account_changed')
    expect(compared).toHaveBeenCalledOnce()
    expect(await sessions.list(ada.id)).toHaveLength(0)
    expect(stepOf(await FIRST.password(await begin(), ada))).toBe('second')
  })

  it('guesses_that_fail_then_are_counted_where_a_factor_is_asked_for_because_of_them', async () => {
    process.env.UNUSUAL_SIGN_IN = 'second_factor'
    reloadEnv()
    const ada = await person()
    done(await FIRST.password(await begin(), ada))
    meanwhile(async () => {
      for (let n = 0; n < 10; n++)
        await audit.record(null, { type: 'signin.failed', outcome: 'failure', userId: ada.id })
    })
    expect(stepOf(await FIRST.password(await begin(), ada))).toBe('second')
  })

  it('another_attempt_in_the_same_browser_is_not_overwritten', async () => {
    const [ada, eve] = [await person({ totp: true }), await person()]
    const browser = await begin()
    meanwhile(() => signin.cancel(browser.flow, browser.caller))
    expect(refusal(await FIRST.password(browser, ada))).toBe('flow_expired')
    expect(refusal(await FIRST.password(browser, eve))).toBe('flow_expired')
    expect(await sessions.list(eve.id)).toHaveLength(0)
  })
})

describe('a store that fails', () => {
  it('while_the_session_is_opened_leaves_the_proof_and_no_session', async () => {
    const ada = await person()
    const browser = await begin()
    const { query } = Object.getPrototypeOf(pool())
    const failing = vi.spyOn(pool(), 'query').mockImplementation(((asked: { name?: string }) => {
      if (asked.name !== 'session-open') return query.call(pool(), asked)
      throw Object.assign(new Error('terminating connection'), { code: '57P01' })
    }) as never)
    await expect(FIRST.password(browser, ada)).rejects.toThrow('postgres does not answer')
    failing.mockRestore()
    expect(await sessions.list(ada.id)).toHaveLength(0)
    done(await signin.complete(browser.flow, browser.caller))
    expect(await sessions.list(ada.id)).toHaveLength(1)
  })

  it('before_a_password_is_compared_lets_nobody_guess', async () => {
    const ada = await person()
    const browser = await begin()
    const run = vi.spyOn(redis(), 'eval').mockRejectedValue(new Error('Connection is closed.'))
    const compared = vi.spyOn(factors.password, 'verify')
    await expect(FIRST.password(browser, ada)).rejects.toThrow('redis does not answer')
    expect(compared).not.toHaveBeenCalled()
    run.mockRestore()
    done(await FIRST.password(browser, ada))
  })
})

describe('what is asked of PostgreSQL', () => {
  /** The names of the statements of a wrong guess, until its answer. */
  async function statements(email: string): Promise<string[]> {
    const { flow, caller } = await begin()
    const query = vi.spyOn(pool(), 'query')
    must(await signin.password(flow, { email, password: 'wrong wrong wrong' }, caller))
    const names = query.mock.calls.map(([asked]) => (asked as { name?: string }).name ?? '?')
    query.mockRestore()
    return names
  }

  it('is_a_look_the_tries_and_the_session', async () => {
    const ada = await person()
    done(await FIRST.password(await begin(), ada))
    const { flow, caller } = await begin()
    const known = { ...caller.cookies }
    const { setCookies } = done(await FIRST.password({ flow, caller }, ada))
    const again = await begin(
      jar(
        setCookies.filter((line) => line.includes('device')),
        known,
      ),
    )
    const query = vi.spyOn(pool(), 'query')
    done(await FIRST.password(again, ada))
    expect(query.mock.calls.map(([asked]) => (asked as { name?: string }).name)).toEqual([
      'signin-known',
      'budget-spend',
      'session-open',
      'session-beyond',
    ])
  })

  it('is_the_same_of_a_known_and_of_an_unknown_name', async () => {
    const ada = await person()
    const unknown = await statements(`nobody.${ada.email}`)
    expect(unknown).toEqual(['signin-known', 'budget-spend'])
    // What is written about a known one afterwards is nothing that the answer waits for.
    expect((await statements(ada.email)).slice(0, 2)).toEqual(unknown)
  })
})
