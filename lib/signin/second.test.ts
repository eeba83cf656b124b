/** What must not get past the second step, and what must. */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import * as factors from '../factors'
import * as notify from '../notify'
import * as recovery from '../recovery'
import * as security from '../security'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import { Authenticator } from '../testing/authenticator'
import * as users from '../users'
import * as signin from './index'
import {
  answerOf,
  begin,
  codeOf,
  done,
  FIRST,
  jar,
  must,
  PASSWORD,
  person,
  refusal,
  SECOND,
  type Someone,
  sentTo,
  somewhere,
  stepOf,
  wrongFor,
} from './people.fixture'

const stores = useStores({
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  LIMIT_MAILS_PER_RECIPIENT_HOUR: '1000',
})

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => {
  setClock(null)
  under({})
})

const NAMES = [
  'SECOND_FACTOR',
  'SECOND_FACTOR_FROM',
  'SECOND_FACTOR_METHODS',
  'SIGN_IN_METHODS',
  'TRUSTED_DEVICE_DAYS',
]
function under(env: Record<string, string>): void {
  for (const name of NAMES) delete process.env[name]
  Object.assign(process.env, env)
  reloadEnv()
}

const minutesLater = (minutes: number) => setClock(() => Date.now() + minutes * 60_000)

/** A browser whose password was right and that owes a second proof. */
async function halfway(ada: Someone, cookies: Record<string, string> = {}) {
  const browser = await begin(cookies)
  expect(stepOf(await FIRST.password(browser, ada))).toBe('second')
  return browser
}

const totp = (browser: Awaited<ReturnType<typeof begin>>, code: string, trust = false) =>
  signin.second(browser.flow, { method: 'totp', code, trust }, browser.caller)

describe('an attempt at its second step', () => {
  it('half_signed_in_is_signed_in_nowhere', async () => {
    const ada = await person({ totp: true })
    const browser = await halfway(ada)
    expect(await sessions.check(browser.caller.cookies)).toBeNull()
    expect(await sessions.list(ada.id)).toHaveLength(0)
    expect(await sessions.devices(ada.id)).toHaveLength(0)
    const next = await signin.begin({ reauth: true, caller: browser.caller })
    expect(must(await signin.expect(must(next).flow, browser.caller)).reauth).toBeNull()
  })

  const steps = {
    identify: async () => ({ ada: await person(), browser: await begin() }),
    verify_email: async () => {
      const [ada, browser] = [await person(), await begin()]
      must(await signin.emailCode(browser.flow, { email: ada.email }, browser.caller))
      return { ada, browser }
    },
    details: async () => {
      const [ada, browser] = [await person(), await begin()]
      const email = `new.${browser.flow.slice(0, 8).toLowerCase()}@example.com`
      must(await signin.emailCode(browser.flow, { email }, browser.caller))
      must(await signin.verify(browser.flow, { code: await sentTo(email) }, browser.caller))
      return { ada, browser }
    },
    second: async () => {
      const ada = await person({ totp: true, codes: true })
      return { ada, browser: await halfway(ada) }
    },
    enroll: async () => {
      under({ SECOND_FACTOR: 'required' })
      const [ada, browser] = [await person(), await begin()]
      await FIRST.password(browser, ada)
      return { ada, browser }
    },
    backup_codes: async () => {
      under({ SECOND_FACTOR: 'required' })
      const [ada, browser] = [await person(), await begin()]
      await FIRST.password(browser, ada)
      const { secret } = must(await signin.enrollTotp(browser.flow, browser.caller))
      const input = { method: 'totp', code: codeOf(secret), name: 'Phone' } as const
      must(await signin.enroll(browser.flow, input, browser.caller))
      return { ada, browser }
    },
    done: async () => {
      const [ada, browser] = [await person(), await begin()]
      done(await FIRST.password(browser, ada))
      return { ada, browser }
    },
  } as const

  const posts = {
    complete: (flow, caller) => signin.complete(flow, caller),
    verify: (flow, caller) => signin.verify(flow, { code: '' }, caller),
    resend: (flow, caller) => signin.resend(flow, caller),
    details: (flow, caller) => signin.details(flow, {}, caller),
    second: (flow, caller) => signin.second(flow, { method: 'totp', code: '000000' }, caller),
    'second with nothing': (flow, caller) => signin.second(flow, { method: 'backup_code', code: '' }, caller),
    'second by password': (flow, caller) =>
      signin.second(flow, { method: 'password', code: PASSWORD }, caller),
    'send second': (flow, caller) => signin.sendSecond(flow, { method: 'email_code' }, caller),
    passkey: (flow, caller) => signin.passkey(flow, { response: {} }, caller),
    enroll: (flow, caller) => signin.enroll(flow, { method: 'totp', code: '000000', name: 'x' }, caller),
    postpone: (flow, caller) => signin.postponeEnroll(flow, caller),
    'saved codes': (flow, caller) => signin.savedCodes(flow, caller),
  } satisfies Record<
    string,
    (flow: string, caller: ReturnType<typeof somewhere>) => ReturnType<typeof signin.password>
  >

  /** Where each post has something to say at all; everywhere else it is refused and nothing moves (SES7). */
  const LISTED: Record<keyof typeof posts, (keyof typeof steps)[]> = {
    complete: [],
    verify: ['verify_email'],
    resend: ['verify_email'],
    details: ['details'],
    second: ['second'],
    'second with nothing': ['second'],
    'second by password': ['second'],
    'send second': ['second'],
    passkey: ['identify', 'verify_email', 'details', 'second'],
    enroll: ['enroll'],
    postpone: [],
    'saved codes': ['backup_codes'],
  }

  it.each(Object.keys(steps) as (keyof typeof steps)[])(
    'no_post_of_another_step_moves_it: %s',
    async (step) => {
      for (const name of Object.keys(posts) as (keyof typeof posts)[]) {
        under({})
        const { ada, browser } = await steps[step]()
        const { flow, caller } = browser
        const before = must(await signin.expect(flow, caller))
        expect(before.step).toBe(step)
        const live = (await sessions.list(ada.id)).length
        const result = await posts[name](flow, caller)
        if (!LISTED[name].includes(step)) expect(refusal(result), name).toBe('flow_expired')
        // What these two lack is nothing but the press itself: here they are the step.
        if (LISTED[name].includes(step) && (name === 'saved codes' || name === 'details')) continue
        expect(result.ok && result.value.step === 'done', name).toBe(false)
        expect((await sessions.list(ada.id)).length, name).toBe(live)
        expect(must(await signin.expect(flow, caller)).step, `${name} at ${step}`).toBe(step)
      }
    },
    60_000,
  )

  it('two_right_codes_at_once_open_one_session', async () => {
    const ada = await person({ totp: true })
    const browser = await halfway(ada)
    const code = codeOf(ada.secret)
    const results = await Promise.all([1, 2, 3, 4].map(() => totp(browser, code)))
    expect(results.filter((r) => r.ok && r.value.step === 'done')).toHaveLength(1)
    expect(await sessions.list(ada.id)).toHaveLength(1)
  })

  it('one_code_is_good_in_one_of_two_attempts', async () => {
    const ada = await person({ totp: true })
    const [a, b] = [await halfway(ada), await halfway(ada)]
    const code = codeOf(ada.secret)
    const results = await Promise.all([totp(a, code), totp(b, code)])
    expect(results.map(stepOf).sort()).toEqual(['done', 'second'])
  })

  it('code_of_another_person_is_no_second_proof', async () => {
    const [ada, eve] = [await person({ totp: true, codes: true }), await person({ totp: true, codes: true })]
    const browser = await halfway(ada)
    expect(refusal(await totp(browser, codeOf(eve.secret)))).toBe('totp_wrong')
    const [code = ''] = eve.codes
    expect(refusal(await signin.second(browser.flow, { method: 'backup_code', code }, browser.caller))).toBe(
      'backup_code_wrong',
    )
  })

  it('passkey_of_another_person_or_attempt_is_no_second_proof', async () => {
    const [ada, eve] = [await person({ key: true }), await person({ key: true })]
    const browser = await halfway(ada)
    const asked = must(await signin.passkeyOptions(browser.flow, browser.caller))
    if (asked.ceremony !== 'get' || !ada.key || !eve.key) throw new Error('no keys')
    const foreign = eve.key.get(asked.options, {}, eve.key.credentials[0])
    expect(refusal(await signin.passkey(browser.flow, { response: foreign }, browser.caller))).toBe(
      'passkey_invalid',
    )
    const other = await halfway(ada)
    const response = await answerOf(other, ada.key)
    expect(refusal(await signin.passkey(browser.flow, { response }, browser.caller))).toMatch(/^passkey_/)
    expect(done(await signin.passkey(other.flow, { response }, other.caller)).facts.acr).toBe('aal2')
    const replayed = await halfway(ada)
    must(await signin.passkeyOptions(replayed.flow, replayed.caller))
    expect(refusal(await signin.passkey(replayed.flow, { response }, replayed.caller))).toBe(
      'passkey_invalid',
    )
  })

  it('answer_to_a_first_challenge_is_no_second_proof_and_the_other_way_round', async () => {
    const ada = await person({ passkey: 'verified' })
    const browser = await begin()
    if (!ada.authenticator) throw new Error('no passkey')
    const first = await answerOf(browser, ada.authenticator)
    expect(stepOf(await FIRST.password(browser, ada))).toBe('second')
    expect(refusal(await signin.passkey(browser.flow, { response: first }, browser.caller))).toBe(
      'passkey_expired',
    )
  })

  it('a_passkey_removed_while_its_answer_is_judged_takes_nobody_in', async () => {
    const ada = await person({ passkey: 'verified' })
    const browser = await begin()
    const [passkey] = await factors.passkeys.list(ada.id)
    if (!ada.authenticator || !passkey) throw new Error('no passkey')
    const response = await answerOf(browser, ada.authenticator)
    let answered: ReturnType<typeof signin.passkey> | undefined
    await inTx(async (tx) => {
      // Its use is written down once it was judged: whoever holds the history keeps it waiting there.
      await audit.record(tx, { type: 'recovery.rehearsed', userId: ada.id })
      answered = signin.passkey(browser.flow, { response }, browser.caller)
      await expect
        .poll(async () => {
          const { rows } = await stores.sql(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
          return rows.length
        })
        .toBe(1)
      must(await factors.passkeys.remove(tx, ada.id, passkey.id, somewhere()))
      await sessions.forgetTrust(tx, ada.id)
    })
    if (!answered) throw new Error('not asked')
    expect(refusal(await answered)).toBe('passkey_unknown')
    expect(await sessions.list(ada.id)).toEqual([])
  })

  it('the_key_that_was_only_touched_cannot_be_touched_twice', async () => {
    const ada = await person({ passkey: 'touched' })
    const browser = await begin()
    if (!ada.authenticator) throw new Error('no passkey')
    expect(stepOf(await FIRST.passkey(browser, ada))).toBe('second')
    const response = await answerOf(browser, ada.authenticator, { uv: false })
    expect(refusal(await signin.passkey(browser.flow, { response }, browser.caller))).toMatch(/^passkey_/)
    expect(await sessions.list(ada.id)).toHaveLength(0)
    const { facts } = done(await SECOND.passkey(browser, ada))
    expect(facts).toMatchObject({ acr: 'aal2', method: 'passkey' })
  })

  it('a_counter_that_went_back_is_refused_and_its_owner_told', async () => {
    const ada = await person({ key: true })
    if (!ada.key) throw new Error('no key')
    const browser = await halfway(ada)
    const response = await answerOf(browser, ada.key, { counter: 1 })
    expect(refusal(await signin.passkey(browser.flow, { response }, browser.caller))).toBe('passkey_cloned')
    await audit.drain()
    const mails = await notify.mailbox.list({ to: ada.email })
    expect(mails.some(({ subject }) => /copied/.test(subject))).toBe(true)
  })

  it('a_method_that_is_switched_off_is_refused_by_the_verb', async () => {
    const ada = await person({ totp: true, codes: true })
    under({ SECOND_FACTOR_METHODS: 'totp' })
    const browser = await halfway(ada)
    const [code = ''] = ada.codes
    const { flow, caller } = browser
    expect(refusal(await signin.second(flow, { method: 'backup_code', code }, caller))).toBe('method_off')
    expect(refusal(await signin.sendSecond(flow, { method: 'email_code' }, caller))).toBe('method_off')
    expect(await signin.passkeyOptions(flow, caller)).toMatchObject({ refusal: { code: 'method_off' } })
    expect(done(await totp(browser, codeOf(ada.secret))).facts.acr).toBe('aal2')
  })

  it('a_code_by_mail_is_of_no_use_in_another_attempt', async () => {
    under({ SECOND_FACTOR_METHODS: 'totp,email_code' })
    const ada = await person({ totp: true })
    const [mine, theirs] = [await halfway(ada), await halfway(ada)]
    must(await signin.sendSecond(mine.flow, { method: 'email_code' }, mine.caller))
    const code = await sentTo(ada.email)
    const wrong = await signin.second(theirs.flow, { method: 'email_code', code }, theirs.caller)
    expect(refusal(wrong)).toBe('code_expired')
    const right = await signin.second(mine.flow, { method: 'email_code', code }, mine.caller)
    expect(done(right).facts).toMatchObject({ acr: 'aal1', secondSkipped: false })
  })

  it('a_code_is_of_no_use_where_the_address_it_went_to_left_the_account', async () => {
    under({ SECOND_FACTOR_METHODS: 'totp,email_code' })
    const ada = await person({ totp: true })
    const [before, after] = [await halfway(ada), await halfway(ada)]
    must(await signin.sendSecond(before.flow, { method: 'email_code' }, before.caller))
    const code = await sentTo(ada.email)
    const next = `new.${ada.email}`
    await inTx(async (tx) => {
      const [old] = await users.emails.list(ada.id)
      const { id } = must(await users.emails.claim(tx, ada.id, next, somewhere()))
      must(await users.emails.verify(tx, ada.id, next, somewhere()))
      must(await users.emails.makePrimary(tx, ada.id, id, somewhere()))
      must(await users.emails.remove(tx, ada.id, old?.id ?? '', somewhere()))
    })
    const late = await signin.second(before.flow, { method: 'email_code', code }, before.caller)
    expect(refusal(late)).toBe('code_expired')
    const sent = (await notify.mailbox.list({ to: ada.email })).length
    minutesLater(1)
    must(await signin.sendSecond(after.flow, { method: 'email_code' }, after.caller))
    expect(await sentTo(next)).toMatch(/^\d{6}$/)
    expect(await notify.mailbox.list({ to: ada.email })).toHaveLength(sent)
    expect(await sessions.list(ada.id)).toHaveLength(0)
  })

  it('a_mailbox_alone_is_no_two_factors_by_way_of_a_new_password', async () => {
    under({ SECOND_FACTOR_METHODS: 'totp,email_code' })
    const ada = await person({ totp: true })
    const offers = async () => {
      const { flow, caller } = await halfway(ada)
      const asked = must(await signin.expect(flow, caller)).second?.offers.map(({ method }) => method)
      return { asked, sent: refusal(await signin.sendSecond(flow, { method: 'email_code' }, caller)) }
    }
    expect((await offers()).asked).toEqual(['totp', 'email_code'])
    const reset = async () => {
      const caller = somewhere()
      must(await recovery.forgot({ email: ada.email }, caller))
      await audit.drain()
      const mails = await notify.mailbox.list({ to: ada.email })
      const link = mails.flatMap(({ links }) => links).find((url) => new URL(url).pathname === '/reset') ?? ''
      const token = new URL(link).searchParams.get('token') ?? ''
      must(await recovery.reset({ token, password: PASSWORD }, caller))
    }
    await reset()
    expect(await offers()).toEqual({ asked: ['totp'], sent: 'method_off' })
    // Once the app was given beside it, the password is its owner's again.
    done(await totp(await halfway(ada), codeOf(ada.secret)))
    minutesLater(1)
    expect(await offers()).toEqual({ asked: ['totp', 'email_code'], sent: undefined })
  })

  it('a backup code signs in once and its use is told by mail', async () => {
    const ada = await person({ totp: true, codes: true })
    const [code = ''] = ada.codes
    const use = async () => {
      const { flow, caller } = await halfway(ada)
      return signin.second(flow, { method: 'backup_code', code: code.toUpperCase() }, caller)
    }
    expect(done(await use()).facts.amr).toEqual(['pwd', 'otp', 'mfa'])
    expect(refusal(await use())).toBe('backup_code_wrong')
    await audit.drain()
    const mails = await notify.mailbox.list({ to: ada.email })
    expect(mails.some(({ subject }) => /backup code/i.test(subject))).toBe(true)
  })
})

describe('guessing', () => {
  it('five_wrong_tries_send_the_attempt_back_to_its_beginning', async () => {
    const ada = await person({ totp: true })
    const browser = await halfway(ada)
    const wrong = wrongFor(ada.secret)
    const seen: (string | undefined)[] = []
    for (let n = 0; n < 5; n++) seen.push(refusal(await totp(browser, wrong)))
    expect(seen).toEqual([...Array(4).fill('totp_wrong'), 'second_exhausted'])
    const view = must(await signin.expect(browser.flow, browser.caller))
    expect(view).toMatchObject({ step: 'identify', notice: { code: 'second_exhausted' }, second: null })
    expect(refusal(await totp(browser, codeOf(ada.secret)))).toBe('flow_expired')
    expect(stepOf(await FIRST.password(browser, ada))).toBe('second')
    expect(done(await totp(browser, codeOf(ada.secret))).facts.userId).toBe(ada.id)
  })

  it('the owner is told of five wrong tries, once a day', async () => {
    const ada = await person({ totp: true })
    const wrong = wrongFor(ada.secret)
    const fail = async () => {
      const browser = await halfway(ada)
      for (let n = 0; n < 5; n++) await totp(browser, wrong)
    }
    await fail()
    await fail()
    await audit.drain()
    const mails = await notify.mailbox.list({ to: ada.email })
    const told = mails.filter(({ subject }) => /second step/i.test(subject))
    expect(told).toHaveLength(1)
    expect(told[0]?.links.some((url) => new URL(url).pathname === '/lockdown')).toBe(true)
  })

  it('brute_force_over_parallel_attempts_gets_ten_tries', async () => {
    const ada = await person({ totp: true })
    const wrong = wrongFor(ada.secret)
    const attempts = await Promise.all(Array.from({ length: 8 }, () => halfway(ada)))
    const results = await Promise.all(
      attempts.flatMap((browser) => Array.from({ length: 4 }, () => totp(browser, wrong))),
    )
    const compared = results.map(refusal).filter((code) => code === 'totp_wrong')
    expect(compared.length).toBeLessThanOrEqual(10)
    const { rows } = await stores.sql(
      `SELECT count(*)::int AS n FROM events WHERE user_id = $1 AND type = 'totp.failed'`,
      [ada.id],
    )
    expect(rows[0].n).toBeLessThanOrEqual(10)
    // The right one is not looked at either, in an attempt begun anew.
    const late = await halfway(ada)
    expect(refusal(await totp(late, codeOf(ada.secret)))).toBe('rate_limited')
  })

  it('tries_are_shared_by_all_second_factors_and_survive_a_flush_of_redis', async () => {
    const ada = await person({ totp: true, codes: true })
    const wrong = wrongFor(ada.secret)
    for (let n = 0; n < 5; n++) {
      const browser = await halfway(ada)
      await totp(browser, wrong)
      await signin.second(browser.flow, { method: 'backup_code', code: '2222-2222-2222' }, browser.caller)
    }
    await stores.redis().flushdb()
    const browser = await halfway(ada)
    expect(refusal(await totp(browser, codeOf(ada.secret)))).toBe('rate_limited')
  })

  it('a_strangers_guesses_do_not_keep_the_owners_browser_out', async () => {
    const ada = await person({ totp: true })
    const home = await halfway(ada)
    const known = jar(done(await totp(home, codeOf(ada.secret))).setCookies, home.caller.cookies)
    for (let n = 0; n < 11; n++) await totp(await halfway(ada), wrongFor(ada.secret))
    minutesLater(2)
    const back = await halfway(ada, known)
    expect(done(await totp(back, codeOf(ada.secret))).facts.userId).toBe(ada.id)
  })
})

describe('a trusted browser', () => {
  const trusted = async (ada: Someone) => {
    const browser = await halfway(ada)
    const { setCookies } = done(await totp(browser, codeOf(ada.secret), true))
    return jar(setCookies, browser.caller.cookies)
  }
  /** The same browser after signing out: it keeps what is not the session. */
  const signedOut = (cookies: Record<string, string>) => {
    const { 'gatehouse.session': _, ...rest } = cookies
    return rest
  }

  it('skips the second step, says so, and is never fresh', async () => {
    const ada = await person({ totp: true })
    const cookies = signedOut(await trusted(ada))
    const again = await begin(cookies)
    const { facts } = done(await FIRST.password(again, ada))
    expect(facts).toMatchObject({ acr: 'aal1', amr: ['pwd'], secondSkipped: true })
    expect(sessions.isFresh(facts)).toBe(false)
    expect((await sessions.devices(ada.id))[0]?.trustedUntil).not.toBeNull()
  })

  it('adds_no_factor_on_the_strength_of_a_password_alone', async () => {
    const ada = await person({ totp: true })
    const again = await begin(signedOut(await trusted(ada)))
    const input = { email: ada.email, password: PASSWORD, canPasskey: true }
    const { facts } = done(await signin.password(again.flow, input, again.caller))
    expect(facts).toMatchObject({ acr: 'aal1', secondSkipped: true })
  })

  it('asks_for_the_second_step_before_the_passkey_that_everybody_must_have', async () => {
    const ada = await person({ totp: true })
    const cookies = signedOut(await trusted(ada))
    under({ SIGN_IN_METHODS: 'passkey' })
    const again = await begin(cookies)
    expect(stepOf(await FIRST.email_code(again, ada))).toBe('second')
    expect(await signin.passkeyOptions(again.flow, again.caller)).toMatchObject({
      refusal: { code: 'method_off' },
    })
    minutesLater(2)
    expect(stepOf(await totp(again, codeOf(ada.secret)))).toBe('enroll')
  })

  it('what_is_sensitive_asks_for_everything_again', async () => {
    const ada = await person({ totp: true })
    const again = await begin(signedOut(await trusted(ada)))
    const cookies = jar(done(await FIRST.password(again, ada)).setCookies, again.caller.cookies)
    const proving = await begin(cookies, { reauth: true })
    expect(stepOf(await FIRST.password(proving, ada))).toBe('second')
    expect(must(await signin.expect(proving.flow, proving.caller)).second?.trustDays).toBeNull()
    minutesLater(2)
    const { facts } = done(await totp(proving, codeOf(ada.secret)))
    expect(sessions.isFresh(facts)).toBe(true)
  })

  it('an_app_that_asks_for_two_factors_is_not_put_off_by_it', async () => {
    const ada = await person({ totp: true })
    const again = await begin(signedOut(await trusted(ada)), { level: 'aal2' })
    expect(stepOf(await FIRST.password(again, ada))).toBe('second')
  })

  it('is_of_this_person_this_browser_and_this_time', async () => {
    const [ada, eve] = [await person({ totp: true }), await person({ totp: true })]
    const cookies = signedOut(await trusted(ada))
    expect(stepOf(await FIRST.password(await begin(cookies), eve))).toBe('second')
    const { 'gatehouse.trust': trust = '', 'gatehouse.device': device = '' } = cookies
    expect(stepOf(await FIRST.password(await begin({ 'gatehouse.trust': trust }), ada))).toBe('second')
    expect(stepOf(await FIRST.password(await begin({ 'gatehouse.device': device }), ada))).toBe('second')
    minutesLater(31 * 24 * 60)
    expect(stepOf(await FIRST.password(await begin(cookies), ada))).toBe('second')
  })

  it('ends_when_the_operator_forbids_it', async () => {
    const ada = await person({ totp: true })
    const cookies = signedOut(await trusted(ada))
    under({ TRUSTED_DEVICE_DAYS: '0' })
    const browser = await begin(cookies)
    expect(stepOf(await FIRST.password(browser, ada))).toBe('second')
    expect(must(await signin.expect(browser.flow, browser.caller)).second?.trustDays).toBeNull()
  })

  const ends: Record<string, (ada: Someone) => Promise<unknown>> = {
    'a new password': async (ada) => {
      const caller = somewhere()
      must(await recovery.forgot({ email: ada.email }, caller))
      await audit.drain()
      const [mail] = await notify.mailbox.list({ to: ada.email })
      const link = mail?.links.find((url) => new URL(url).pathname === '/reset') ?? ''
      const token = new URL(link).searchParams.get('token') ?? ''
      // The same one, so that the sign-in of the test goes on as before.
      must(await recovery.reset({ token, password: PASSWORD }, caller))
    },
    'a change of factors': (ada) => inTx((tx) => sessions.forgetTrust(tx, ada.id)),
    'signing out everywhere': (ada) => sessions.revoke({ userId: ada.id, all: true }, { reason: 'user' }),
    'signing out all others from another browser': async (ada) => {
      const { facts } = done(await SECOND.backup_code(await halfway(ada), ada))
      await sessions.revoke({ userId: ada.id, exceptSid: facts.sid }, { reason: 'user' })
    },
    'signing it out from another browser': async (ada) => {
      const [lost] = await sessions.list(ada.id)
      await sessions.revoke({ userId: ada.id, sid: lost?.sid ?? '', lost: true }, { reason: 'user' })
    },
    'its own removal': async (ada) => {
      const [device] = await sessions.devices(ada.id)
      expect(await inTx((tx) => sessions.revokeTrust(tx, ada.id, device?.id ?? ''))).toBe(true)
    },
  }
  it.each(Object.entries(ends))('is_trusted_no_more_after %s', async (_, end) => {
    const ada = await person({ totp: true, codes: true })
    const cookies = signedOut(await trusted(ada))
    await end(ada)
    expect(stepOf(await FIRST.password(await begin(cookies), ada))).toBe('second')
  })

  it('stays one after signing out in it, and after signing out all others from it', async () => {
    const ada = await person({ totp: true })
    const cookies = await trusted(ada)
    const who = await sessions.check(cookies)
    await sessions.revoke({ userId: ada.id, exceptSid: who?.sid ?? '' }, { reason: 'user' })
    await sessions.revoke({ userId: ada.id, sid: who?.sid ?? '' }, { reason: 'signed_out' })
    expect(stepOf(await FIRST.password(await begin(signedOut(cookies)), ada))).toBe('done')
  })

  it('nobody_ends_the_trust_of_another', async () => {
    const [ada, eve] = [await person({ totp: true }), await person()]
    const cookies = signedOut(await trusted(ada))
    const [device] = await sessions.devices(ada.id)
    expect(await inTx((tx) => sessions.revokeTrust(tx, eve.id, device?.id ?? ''))).toBe(false)
    expect(stepOf(await FIRST.password(await begin(cookies), ada))).toBe('done')
  })
})

describe('what changed while somebody was signing in', () => {
  it('a_sign_in_by_the_old_password_opens_no_session_after_a_reset', async () => {
    const ada = await person({ totp: true })
    const browser = await halfway(ada)
    await sessions.revoke({ userId: ada.id, all: true }, { reason: 'password_reset' })
    const result = await totp(browser, codeOf(ada.secret))
    expect(refusal(result)).toBe('account_changed')
    expect(await sessions.list(ada.id)).toHaveLength(0)
    expect(must(await signin.expect(browser.flow, browser.caller)).step).toBe('identify')
  })

  it('nor_after_a_lock_or_a_factor_that_was_removed', async () => {
    for (const change of [
      (ada: Someone) =>
        inTx((tx) => sessions.revokeIn(tx, { userId: ada.id, all: true }, { reason: 'locked_down' })),
      (ada: Someone) => inTx((tx) => sessions.forgetTrust(tx, ada.id)),
    ]) {
      const ada = await person({ totp: true })
      const browser = await halfway(ada)
      await change(ada)
      expect(refusal(await totp(browser, codeOf(ada.secret)))).toBe('account_changed')
    }
  })

  it('of_a_reset_and_a_sign_in_at_once_no_session_of_the_old_password_is_left', async () => {
    const hash = must(await factors.password.hash('copper lantern meadow tide'))
    for (let round = 0; round < 6; round++) {
      const ada = await person()
      const browser = await begin()
      const reset = inTx(async (tx) => {
        await users.lock(tx, ada.id)
        await factors.password.set(tx, ada.id, hash)
        await sessions.revokeIn(tx, { userId: ada.id, all: true }, { reason: 'password_reset' })
      })
      await Promise.all([FIRST.password(browser, ada), reset])
      expect(await sessions.list(ada.id)).toHaveLength(0)
    }
  })

  it.each<[string, string, (ada: Someone) => Promise<unknown>]>([
    ['disabled', 'account_disabled', (ada) => users.disable(ada.id, { actor: 'operator' })],
    ['closed', 'account_disabled', (ada) => inTx((tx) => users.close(tx, ada.id, new Date(), {}))],
    [
      'closed_and_kept_again',
      'account_changed',
      (ada) =>
        inTx(async (tx) => {
          await users.close(tx, ada.id, new Date(Date.now() + 100 * 86_400_000), {})
          await users.keep(tx, ada.id, {})
        }),
    ],
    [
      'disabled_and_enabled_again',
      'account_changed',
      async (ada) => {
        await users.disable(ada.id, { actor: 'operator' })
        await users.enable(ada.id, { actor: 'operator' })
      },
    ],
    [
      'locked',
      'account_changed',
      (ada) =>
        inTx(async (tx) => {
          await users.lockDown(tx, ada.id, somewhere())
          await sessions.revokeIn(tx, { userId: ada.id, all: true }, { reason: 'locked_down' })
        }),
    ],
    ['given_a_second_factor', 'account_changed', (ada) => inTx((tx) => sessions.forgetTrust(tx, ada.id))],
  ])('whoever_is_%s_while_the_password_is_compared_gets_no_session', async (_, code, change) => {
    const ada = await person()
    const { verify } = factors.password
    const compared = vi.spyOn(factors.password, 'verify').mockImplementationOnce(async (...args) => {
      const verified = await verify(...args)
      await change(ada)
      return verified
    })
    try {
      expect(refusal(await FIRST.password(await begin(), ada))).toBe(code)
      expect(compared).toHaveBeenCalledOnce()
      expect(await sessions.list(ada.id)).toHaveLength(0)
    } finally {
      compared.mockRestore()
    }
  })

  it('closed_account_is_like_an_unknown_one_to_a_password_and_says_so_to_its_passkey_alone', async () => {
    const ada = await person({ passkey: 'verified' })
    await inTx((tx) => users.close(tx, ada.id, new Date(), {}))
    expect(refusal(await FIRST.password(await begin(), ada))).toBe('wrong_credentials')
    expect(refusal(await FIRST.passkey(await begin(), ada))).toBe('account_closed')
    expect(await sessions.list(ada.id)).toHaveLength(0)
  })

  it('a_sign_in_by_a_mailbox_or_phone_opens_no_session_once_its_owner_removed_that', async () => {
    under({ SECOND_FACTOR: 'encouraged' })
    const ada = await person({ phone: true })
    const next = `new.${ada.email}`
    await inTx(async (tx) => {
      const { id } = must(await users.emails.claim(tx, ada.id, next, somewhere()))
      must(await users.emails.verify(tx, ada.id, next, somewhere()))
      must(await users.emails.makePrimary(tx, ada.id, id, somewhere()))
    })
    for (const kind of ['email', 'phone'] as const) {
      // Whoever reads the old one waits at what may be put off: no list of sessions shows them.
      const thief = await begin()
      const first = kind === 'email' ? FIRST.email_code : FIRST.sms_code
      expect(stepOf(await first(thief, ada))).toBe('enroll')
      const home = await begin()
      expect(stepOf(await FIRST.password(home, { ...ada, email: next }))).toBe('enroll')
      const { facts: who } = done(await signin.postponeEnroll(home.flow, home.caller))
      const [old] =
        kind === 'email'
          ? (await users.emails.list(ada.id)).filter(({ address }) => address === ada.email)
          : await users.phones.list(ada.id)
      const room = kind === 'email' ? security.emails : security.phones
      expect((await room.remove(who, old?.id ?? '', home.caller)).ok, kind).toBe(true)
      expect(refusal(await signin.postponeEnroll(thief.flow, thief.caller)), kind).toBe('account_changed')
      expect((await sessions.list(ada.id)).map(({ sid }) => sid)).toContain(who.sid)
      await sessions.revoke({ userId: ada.id, sid: who.sid }, { reason: 'test' })
      expect(await sessions.list(ada.id)).toHaveLength(0)
    }
  })

  it('a_factor_added_elsewhere_is_asked_for_in_an_attempt_that_began_before', async () => {
    under({ SECOND_FACTOR: 'encouraged' })
    const ada = await person()
    const browser = await begin()
    expect(stepOf(await FIRST.password(browser, ada))).toBe('enroll')
    await inTx(async (tx) => {
      await sessions.forgetTrust(tx, ada.id)
      await tx.totp.create({ data: { userId: ada.id, name: 'Phone', secretSealed: 'x' } })
    })
    expect(stepOf(await signin.postponeEnroll(browser.flow, browser.caller))).toBe('second')
    expect(await sessions.list(ada.id)).toHaveLength(0)
  })

  it('a_session_older_than_a_factor_is_not_fresh_any_more', async () => {
    const ada = await person()
    const browser = await begin()
    const { facts } = done(await FIRST.password(browser, ada))
    expect(sessions.isFresh(facts)).toBe(true)
    await inTx((tx) => sessions.demandStepUp(tx, ada.id, null))
    const now = await sessions.alive(facts.sid)
    expect(now && sessions.isFresh(now)).toBe(false)
  })
})

describe('setting something up during a sign-in', () => {
  it('goes from the first code to the backup codes to the session', async () => {
    under({ SECOND_FACTOR: 'required' })
    const [ada, browser] = [await person(), await begin()]
    const { flow, caller } = browser
    expect(stepOf(await FIRST.password(browser, ada))).toBe('enroll')
    const one = must(await signin.enrollTotp(flow, caller))
    expect(must(await signin.enrollTotp(flow, caller)).secret).toBe(one.secret)
    const wrong = await signin.enroll(
      flow,
      { method: 'totp', code: wrongFor(one.secret), name: 'Phone' },
      caller,
    )
    expect(refusal(wrong)).toBe('totp_wrong')
    const right = await signin.enroll(
      flow,
      { method: 'totp', code: codeOf(one.secret), name: 'Phone' },
      caller,
    )
    expect(stepOf(right)).toBe('backup_codes')
    const codes = must(await signin.expect(flow, caller)).backupCodes ?? []
    expect(codes).toHaveLength(10)
    expect(await sessions.list(ada.id)).toHaveLength(0)
    const { facts } = done(await signin.savedCodes(flow, caller))
    expect(facts).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'], secondSkipped: false })
    expect(must(await factors.backupCodes.verify(ada.id, codes[0] ?? '', caller))).toEqual({ left: 9 })
  })

  it('the_enrolment_code_is_no_code_to_sign_in_with', async () => {
    under({ SECOND_FACTOR: 'required' })
    const [ada, browser] = [await person(), await begin()]
    await FIRST.password(browser, ada)
    const { secret } = must(await signin.enrollTotp(browser.flow, browser.caller))
    const code = codeOf(secret)
    must(await signin.enroll(browser.flow, { method: 'totp', code, name: 'Phone' }, browser.caller))
    done(await signin.savedCodes(browser.flow, browser.caller))
    expect(refusal(await totp(await halfway(ada), code))).toBe('totp_used')
  })

  it('an account without a password begins with a passkey', async () => {
    const { flow, caller } = await begin()
    const email = `passkey.${flow.slice(0, 8).toLowerCase()}@example.com`
    must(await signin.signUp(flow, { email, way: 'passkey' }, caller))
    expect(stepOf(await signin.verify(flow, { code: await sentTo(email), canPasskey: true }, caller))).toBe(
      'enroll',
    )
    expect(must(await signin.expect(flow, caller)).enroll).toMatchObject({
      required: false,
      wanted: 'passkey',
    })
    const phone = new Authenticator('synced')
    const asked = must(await signin.passkeyOptions(flow, caller))
    if (asked.ceremony !== 'create') throw new Error('not create')
    const response = JSON.stringify(phone.create(asked.options))
    expect(stepOf(await signin.enroll(flow, { method: 'passkey', response }, caller))).toBe('backup_codes')
    const { facts } = done(await signin.savedCodes(flow, caller))
    expect(await factors.enrolled(facts.userId)).toMatchObject({ password: false, passkeys: 1 })
    expect(facts.acr).toBe('aal2')
    const again = await begin()
    const answer = await answerOf(again, phone)
    expect(done(await signin.passkey(again.flow, { response: answer }, again.caller)).facts).toMatchObject({
      userId: facts.userId,
      acr: 'aal2',
      method: 'passkey',
    })
  })

  it('a passkey is offered after a password where the browser can, once in thirty days, and not when proving again', async () => {
    const ada = await person()
    const enter = async (cookies: Record<string, string>, canPasskey: boolean, reauth = false) => {
      const browser = await begin(cookies, { reauth })
      const input = { email: ada.email, password: PASSWORD, canPasskey }
      return { browser, result: await signin.password(browser.flow, input, browser.caller) }
    }
    expect(stepOf((await enter({}, false)).result)).toBe('done')
    const { browser, result } = await enter({}, true)
    expect(stepOf(result)).toBe('enroll')
    const { setCookies } = done(await signin.postponeEnroll(browser.flow, browser.caller))
    const cookies = jar(setCookies, browser.caller.cookies)
    const later = await enter(cookies, true)
    const { 'gatehouse.later': asked, ...neverAsked } = jar(done(later.result).setCookies, cookies)
    expect(asked).toBe('1')
    expect(stepOf((await enter(neverAsked, true, true)).result)).toBe('done')
  })

  it('who just set an app up is not offered a passkey in the same breath', async () => {
    under({ SECOND_FACTOR: 'encouraged' })
    const ada = await person()
    const { flow, caller } = await begin()
    const input = { email: ada.email, password: PASSWORD, canPasskey: true }
    expect(stepOf(await signin.password(flow, input, caller))).toBe('enroll')
    const { secret } = must(await signin.enrollTotp(flow, caller))
    must(await signin.enroll(flow, { method: 'totp', code: codeOf(secret), name: 'Phone' }, caller))
    expect(stepOf(await signin.savedCodes(flow, caller))).toBe('done')
  })

  it('a_passkey_that_was_made_silently_is_claimed_to_no_app', async () => {
    const ada = await person()
    const silently = async (level: 'aal2' | null) => {
      const browser = await begin({}, { level })
      const { flow, caller } = browser
      const input = { email: ada.email, password: PASSWORD, canPasskey: true }
      expect(stepOf(await signin.password(flow, input, caller))).toBe('enroll')
      const asked = must(await signin.passkeyOptions(flow, caller, { kind: 'passkey', conditional: true }))
      if (asked.ceremony !== 'create') throw new Error('not create')
      const response = new Authenticator('synced').create(asked.options, { up: false, uv: false })
      return { browser, made: await signin.enroll(flow, { method: 'passkey', response }, caller) }
    }
    expect(refusal((await silently('aal2')).made)).toBe('passkey_invalid')
    const { browser, made } = await silently(null)
    expect(stepOf(made)).toBe('backup_codes')
    const { facts } = done(await signin.savedCodes(browser.flow, browser.caller))
    expect(facts).toMatchObject({ acr: 'aal1', amr: ['pwd'], secondSkipped: false })
  })

  it('stolen_cookie_cannot_set_anything_up', async () => {
    const ada = await person()
    const browser = await begin()
    const cookies = jar(done(await FIRST.password(browser, ada)).setCookies, browser.caller.cookies)
    minutesLater(11)
    const who = await sessions.check(cookies)
    if (!who) throw new Error('not signed in')
    expect(await security.authenticators.begin(who, somewhere(cookies))).toMatchObject({
      refusal: { code: 'proof_required' },
    })
    const { flow, caller } = await begin(cookies, { reauth: true })
    expect(await signin.enrollTotp(flow, caller)).toMatchObject({ refusal: { code: 'flow_expired' } })
    expect(await signin.passkeyOptions(flow, caller, { kind: 'passkey' })).toMatchObject({
      value: { ceremony: 'get' },
    })
  })
})

describe('the first step by passkey', () => {
  it('options_name_nobody_and_no_credential', async () => {
    const shapes = []
    for (const email of [(await person({ passkey: 'verified' })).email, 'nobody@example.com']) {
      const { flow, caller } = await begin({}, { loginHint: email })
      const asked = must(await signin.passkeyOptions(flow, caller))
      const { challenge, ...rest } = asked.options
      expect(challenge.length).toBeGreaterThanOrEqual(22)
      shapes.push(rest)
    }
    expect(shapes[0]).toEqual(shapes[1])
    expect(shapes[0]).not.toHaveProperty('allowCredentials.0')
  })

  it('a_counter_that_went_back_is_refused_and_its_owner_told', async () => {
    const ada = await person({ passkey: 'verified' })
    if (!ada.authenticator) throw new Error('no passkey')
    const [before, after] = [await begin(), await begin()]
    const right = await answerOf(before, ada.authenticator, { counter: 9 })
    done(await signin.passkey(before.flow, { response: right }, before.caller))
    const response = await answerOf(after, ada.authenticator, { counter: 9 })
    expect(refusal(await signin.passkey(after.flow, { response }, after.caller))).toBe('passkey_cloned')
    await audit.drain()
    const mails = await notify.mailbox.list({ to: ada.email })
    expect(mails.some(({ subject }) => /copied/.test(subject))).toBe(true)
  })

  it('of_a_lock_and_a_sign_in_by_the_passkey_it_takes_away_no_session_is_left', async () => {
    for (let round = 0; round < 6; round++) {
      const ada = await person({ passkey: 'verified' })
      const browser = await begin()
      if (!ada.authenticator) throw new Error('no passkey')
      const response = await answerOf(browser, ada.authenticator)
      await Promise.all([
        signin.passkey(browser.flow, { response }, browser.caller),
        security.resetFactors(ada.id, { actor: 'operator' }),
      ])
      expect(await sessions.list(ada.id)).toHaveLength(0)
    }
  })

  it('is_refused_where_passkeys_are_switched_off', async () => {
    under({ SIGN_IN_METHODS: 'password,email_code' })
    const { flow, caller } = await begin()
    expect(await signin.passkeyOptions(flow, caller)).toMatchObject({ refusal: { code: 'method_off' } })
    expect(refusal(await signin.passkey(flow, { response: {} }, caller))).toBe('method_off')
  })

  it('a lock of the password is none of the passkey', async () => {
    const ada = await person({ passkey: 'verified' })
    await inTx((tx) => users.lockDown(tx, ada.id))
    expect(done(await FIRST.passkey(await begin(), ada)).facts.userId).toBe(ada.id)
  })

  it('whoever proves again who they are begins with a passkey of their own', async () => {
    const [ada, eve] = [await person({ passkey: 'verified' }), await person({ passkey: 'verified' })]
    const first = await begin()
    const cookies = jar(done(await FIRST.passkey(first, ada)).setCookies, first.caller.cookies)
    const proving = await begin(cookies, { reauth: true })
    expect(must(await signin.expect(proving.flow, proving.caller)).firstPasskey).toBe(true)
    const asked = must(await signin.passkeyOptions(proving.flow, proving.caller))
    if (asked.ceremony !== 'get' || !eve.authenticator) throw new Error('not get')
    expect(asked.options.allowCredentials).toHaveLength(1)
    const foreign = eve.authenticator.get(asked.options, {}, eve.authenticator.credentials[0])
    expect(refusal(await signin.passkey(proving.flow, { response: foreign }, proving.caller))).toBe(
      'passkey_invalid',
    )
    expect(done(await FIRST.passkey(proving, ada)).facts.sid).toBeDefined()
  })
})

describe('a session that is revoked while its person proves who they are', () => {
  it('attempt_of_a_revoked_session_opens_no_other', async () => {
    const ada = await person()
    const { setCookies } = done(await FIRST.password(await begin(), ada))
    const cookies = jar(setCookies)
    const proving = await begin(cookies, { reauth: true })
    const facts = await sessions.check(cookies)
    await sessions.revoke({ userId: ada.id, sid: facts?.sid ?? '' }, { reason: 'user' })
    const outcome = must(await FIRST.password(proving, ada))
    expect(outcome).toMatchObject({ step: 'identify', refusal: { code: 'account_changed' } })
    expect(await sessions.list(ada.id)).toEqual([])
  })
})
