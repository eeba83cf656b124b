/** Another provider's word in a login attempt, with real providers on loopback: what it opens, and what it does not. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import { nowMs, setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import * as federation from '../federation'
import * as notify from '../notify'
import * as security from '../security'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as users from '../users'
import * as signin from './index'
import {
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
  sentTo,
  somewhere,
  stepOf,
} from './people.fixture'
import {
  arrived,
  atAcme,
  become,
  by,
  goTo,
  leave,
  linkedAt,
  type ProviderId,
  somebodyThere,
  usePeers,
} from './provider.fixture'

const { sql } = useStores({
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  LIMIT_MAILS_PER_RECIPIENT_HOUR: '1000',
})
const { peers } = usePeers()

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterAll(() => setClock(null))

const changed: string[] = []
/** Other settings, until the test ends. */
function under(env: Record<string, string>): void {
  changed.push(...Object.keys(env))
  Object.assign(process.env, env)
  reloadEnv()
}
afterEach(() => {
  setClock(null)
  for (const peer of peers().all) peer.bend = {}
  for (const name of changed.splice(0)) delete process.env[name]
  Object.assign(process.env, peers().env)
  reloadEnv()
})

const ALL: ProviderId[] = ['google', 'github', 'microsoft', 'apple', 'acme']
const accountsOf = async (userId: string) =>
  (await federation.accounts.list(userId)).map(({ provider }) => provider)
const everybody = async () => (await sql('SELECT count(*)::int AS n FROM users')).rows[0]?.n as number

describe('somebody known', () => {
  it.each(ALL)('%s signs in whom its account is linked to, and proves no more than that', async (id) => {
    const ada = await person()
    const there = somebodyThere()
    become(peers(), id, there)
    await link(ada.id, id, there)
    const browser = await begin()
    const result = done(await by(browser, peers(), id, there))
    expect(result.facts).toMatchObject({ userId: ada.id, method: 'oauth', amr: ['fed'], acr: 'aal1' })
    const [account] = await federation.accounts.list(ada.id)
    expect(account?.lastUsedAt).not.toBeNull()
    expect(sessions.lastProvider(jar(result.setCookies))).toBe(id)
  })

  /** By way of the console: a session asks, the provider answers, the account is linked. */
  async function link(userId: string, id: ProviderId, there: ReturnType<typeof somebodyThere>) {
    const browser = await begin()
    const ada = done(await signInByPassword(browser, userId))
    const caller = { ...browser.caller, cookies: jar(ada.setCookies, browser.caller.cookies) }
    const away = must(await security.linked.begin(ada.facts, { provider: id }, caller))
    become(peers(), id, there)
    const { url, form } = await peers()[id].press(away.url)
    const query = form
      ? new URL(must(await federation.keepPosted(id, new URLSearchParams(form))).url).searchParams
      : url.searchParams
    const came = await signin.fromProvider(id, query, {
      ...caller,
      cookies: jar(away.setCookies, caller.cookies),
    })
    if (came.purpose !== 'link') throw new Error(JSON.stringify(came))
    must(came.result)
  }

  async function signInByPassword({ flow, caller }: Awaited<ReturnType<typeof begin>>, userId: string) {
    const email = (await users.get(userId))?.email ?? ''
    return signin.password(flow, { email, password: PASSWORD }, caller)
  }

  it('is known by provider, issuer and subject, never by an address (LNK1)', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    const there = ada.linked?.person ?? somebodyThere()
    // The same subject at another provider, and another subject with the same address.
    for (const [id, who] of [
      ['google', { ...there, email: `other.${nowMs()}@gmail.com` }],
      ['acme', { ...there, sub: `${there.sub}0` }],
    ] as const) {
      expect(stepOf(await by(await begin(), peers(), id, who)), id).toBe('details')
    }
    const moved = { ...there, email: 'moved@example.org', email_verified: false }
    expect(done(await by(await begin(), peers(), 'acme', moved)).facts.userId).toBe(ada.id)
  })

  it('oauth_does_not_bypass_the_second_factor', async () => {
    const ada = await person({ totp: true, linked: atAcme(peers()) })
    const browser = await begin()
    expect(stepOf(await FIRST.oauth(browser, ada))).toBe('second')
    expect(await sessions.check(browser.caller.cookies)).toBeNull()
    const { facts } = done(await SECOND.totp(browser, ada))
    expect(facts).toMatchObject({ amr: ['fed', 'otp'], acr: 'aal1', secondSkipped: false })
  })

  it('a_provider_s_word_of_its_own_second_factor_is_not_ours', async () => {
    const ada = await person({ totp: true, linked: atAcme(peers()) })
    peers().acme.bend = { idToken: { amr: ['pwd', 'mfa', 'hwk'], acr: 'aal3' } }
    expect(stepOf(await FIRST.oauth(await begin(), ada))).toBe('second')
    const eve = await person({ linked: atAcme(peers()) })
    expect(done(await FIRST.oauth(await begin(), eve)).facts).toMatchObject({ amr: ['fed'], acr: 'aal1' })
  })

  it('an_account_unlinked_during_a_sign_in_takes_nobody_in', async () => {
    const ada = await person({ totp: true, linked: atAcme(peers()) })
    const browser = await begin()
    expect(stepOf(await FIRST.oauth(browser, ada))).toBe('second')
    const [account] = await federation.accounts.list(ada.id)
    const owner = done(await SECOND.totp(await atSecond(ada), ada))
    must(await security.linked.remove(owner.facts, { id: account?.id ?? '' }, somewhere()))
    setClock(() => Date.now() + 60_000)
    expect(refusal(await SECOND.totp(browser, ada))).toBe('account_changed')
  })

  it('an_account_unlinked_while_its_answer_is_judged_takes_nobody_in', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    const [account] = await federation.accounts.list(ada.id)
    const browser = await begin()
    become(peers(), 'acme', ada.linked?.person ?? somebodyThere())
    const { query, caller } = await goTo(browser, peers(), 'acme')
    let came: ReturnType<typeof signin.fromProvider> | undefined
    await inTx(async (tx) => {
      // Whose the account is was read; who that is has to wait.
      await tx.$executeRaw`LOCK TABLE emails IN ACCESS EXCLUSIVE MODE`
      came = signin.fromProvider('acme', query, caller)
      await expect
        .poll(async () => {
          const { rows } = await sql(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
          return rows.length
        })
        .toBe(1)
      must(await federation.accounts.unlink(tx, ada.id, account?.id ?? '', somewhere()))
      await sessions.forgetTrust(tx, ada.id)
    })
    if (!came) throw new Error('not asked')
    expect(refusal(arrived(await came))).toBe('provider_failed')
    expect(await sessions.list(ada.id)).toEqual([])
  })

  it('an_answer_that_comes_after_other_ways_in_were_switched_off_takes_nobody_in', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    become(peers(), 'acme', ada.linked?.person ?? somebodyThere())
    const { query, caller } = await goTo(await begin(), peers(), 'acme')
    under({ SIGN_IN_METHODS: 'passkey' })
    expect(refusal(arrived(await signin.fromProvider('acme', query, caller)))).toBe('method_off')
  })

  async function atSecond(ada: Awaited<ReturnType<typeof person>>) {
    const browser = await begin()
    must(await FIRST.password(browser, ada))
    return browser
  }

  it('roles follow the claims of a provider, before anything is decided by them', async () => {
    under({ PROVIDER_ACME_ROLES: 'groups:boss=admin,staff=editor', SECOND_FACTOR_ROLES: 'admin' })
    await sql("INSERT INTO roles (name) VALUES ('auditor')")
    const ada = await person({ linked: atAcme(peers()), roles: ['auditor'] })
    const there = ada.linked?.person ?? somebodyThere()
    const come = async (groups: string[]) => by(await begin(), peers(), 'acme', { ...there, groups })
    const roles = async () => (await users.get(ada.id))?.roles
    expect(stepOf(await come(['staff']))).toBe('done')
    expect(await roles()).toEqual(['auditor', 'editor', 'user'])
    // Whoever becomes an administrator by it is asked for a second factor in the same breath.
    expect(stepOf(await come(['boss', 'no such group']))).toBe('enroll')
    // What the mapping does not name stays.
    expect(await roles()).toEqual(['admin', 'auditor', 'user'])
    expect(stepOf(await come([]))).toBe('done')
    expect(await roles()).toEqual(['auditor', 'user'])
    const seen = await audit.list(ada.id, { limit: 10, types: ['user.roles_changed'] })
    expect(seen.items[0]).toMatchObject({
      actor: 'system',
      data: { given: [], taken: ['admin'], provider: 'acme' },
    })
  })
})

describe('somebody unknown', () => {
  it('becomes a person by one press, where the provider vouches for the address and says a name', async () => {
    const there = somebodyThere()
    const browser = await begin()
    const before = await everybody()
    expect(stepOf(await by(browser, peers(), 'acme', there))).toBe('details')
    expect(await everybody()).toBe(before)
    const view = must(await signin.expect(browser.flow, browser.caller))
    expect(view.newcomer).toEqual({
      provider: 'Acme',
      email: there.email,
      proven: true,
      firstName: 'Ada',
      lastName: 'Lovelace',
    })
    const { facts } = done(await signin.details(browser.flow, { firstName: 'Ada' }, browser.caller))
    expect(await users.get(facts.userId)).toMatchObject({ email: there.email, emailVerified: true })
    expect(await accountsOf(facts.userId)).toEqual(['acme'])
    expect(done(await by(await begin(), peers(), 'acme', there)).facts.userId).toBe(facts.userId)
  })

  it.each([
    ['has no address', { email: undefined }],
    ['has an address that the provider does not vouch for', { email_verified: false }],
    ['has one that it says nothing of', { email_verified: undefined }],
    ['has one that it vouches for with a word', { email_verified: 'true' }],
  ])('somebody who %s proves one by a code', async (_, more) => {
    const there = somebodyThere(more)
    const browser = await begin()
    const { flow, caller } = browser
    expect(stepOf(await by(browser, peers(), 'acme', there))).toBe('details')
    expect(must(await signin.expect(flow, caller)).newcomer?.proven).toBe(false)
    expect(refusal(await signin.details(flow, { firstName: 'Ada', email: 'nonsense' }, caller))).toBe(
      'invalid_email',
    )
    const email = there.email ?? `mine.${nowMs()}@example.com`
    expect(stepOf(await signin.details(flow, { firstName: 'Ada', email }, caller))).toBe('verify_email')
    expect(await sessions.check(caller.cookies)).toBeNull()
    const { facts } = done(await signin.verify(flow, { code: await sentTo(email) }, caller))
    expect(facts).toMatchObject({ method: 'oauth', amr: ['fed'], acr: 'aal1' })
    expect(await users.get(facts.userId)).toMatchObject({ email, emailVerified: true })
    expect(await accountsOf(facts.userId)).toEqual(['acme'])
  })

  it('github_without_a_public_address_tells_it_by_its_api', async () => {
    const there = somebodyThere()
    become(peers(), 'github', there)
    const browser = await begin()
    must(await by(browser, peers(), 'github'))
    const view = must(await signin.expect(browser.flow, browser.caller))
    expect(view.newcomer).toMatchObject({ email: there.email, proven: true })
  })

  it('stays outside where nobody may sign up, or not with this provider', async () => {
    const before = await everybody()
    for (const [env, code] of [
      [{ SIGN_UP: 'off' }, 'sign_up_closed'],
      [{ PROVIDER_ACME_SIGN_UP: 'off' }, 'provider_no_sign_up'],
      [{ PROVIDER_ACME_DOMAINS: 'acme.test' }, 'provider_not_allowed'],
    ] as const) {
      under(env)
      const browser = await begin()
      expect(refusal(await by(browser, peers(), 'acme', somebodyThere())), code).toBe(code)
      expect(must(await signin.expect(browser.flow, browser.caller))).toMatchObject({
        step: 'identify',
        notice: { code, values: { provider: 'Acme' } },
      })
      for (const name of Object.keys(env)) delete process.env[name]
      reloadEnv()
    }
    expect(await everybody()).toBe(before)
  })

  it('two_at_once_make_one_person', async () => {
    const there = somebodyThere()
    const [one, two] = [await begin(), await begin()]
    must(await by(one, peers(), 'acme', there))
    must(await by(two, peers(), 'acme', there))
    const before = await everybody()
    const results = await Promise.all(
      [one, two, one].map(({ flow, caller }) => signin.details(flow, { firstName: 'Ada' }, caller)),
    )
    expect(results.filter((result) => stepOf(result) === 'done')).toHaveLength(1)
    expect(await everybody()).toBe(before + 1)
  })

  it('whoever says no, or comes back to a provider that is down, is where they began, with words', async () => {
    const browser = await begin()
    const { query, caller } = await goTo(browser, peers(), 'acme', 'cancel')
    expect(refusal(arrived(await signin.fromProvider('acme', query, caller)))).toBe('provider_denied')
    const again = await begin()
    const back = await goTo(again, peers(), 'acme')
    peers().acme.bend = { down: ['token'] }
    expect(refusal(arrived(await signin.fromProvider('acme', back.query, back.caller)))).toBe('provider_down')
    const view = must(await signin.expect(again.flow, again.caller))
    expect(view).toMatchObject({ step: 'identify', notice: { code: 'provider_down' } })
  })
})

describe('the address of somebody there is', () => {
  /** Ada has an account here; somebody at Acme has her address, and Acme vouches for it. */
  async function sameAddress(having: Parameters<typeof person>[0] = {}) {
    const ada = await person(having)
    const browser = await begin()
    const result = await by(browser, peers(), 'acme', somebodyThere({ email: ada.email }))
    return { ada, browser, result }
  }

  it('same_address_is_never_joined_silently', async () => {
    const { ada, browser, result } = await sameAddress()
    expect(stepOf(result)).toBe('identify')
    expect(await sessions.check(browser.caller.cookies)).toBeNull()
    expect(await accountsOf(ada.id)).toEqual([])
    const view = must(await signin.expect(browser.flow, browser.caller))
    expect(view.linking).toEqual({ email: ada.email, provider: 'Acme' })
    expect(view.providers).toEqual([])
  })

  it('who proves the account has it linked, and everybody is told', async () => {
    const { ada, browser } = await sameAddress()
    expect(
      refusal(
        await signin.password(browser.flow, { email: ada.email, password: 'wrong one' }, browser.caller),
      ),
    ).toBe('wrong_credentials')
    const { facts } = done(await FIRST.password(browser, ada))
    expect(facts).toMatchObject({ userId: ada.id, method: 'password', amr: ['pwd'] })
    expect(await accountsOf(ada.id)).toEqual(['acme'])
    await audit.drain()
    const mails = await notify.mailbox.list({ to: ada.email })
    expect(mails.some(({ subject, text }) => /linked/.test(subject) && /Acme/.test(text))).toBe(true)
  })

  it('a_mail_code_links_too_and_the_second_factor_is_asked_first', async () => {
    const { ada, browser } = await sameAddress({ totp: true })
    expect(stepOf(await FIRST.email_code(browser, ada))).toBe('second')
    expect(await accountsOf(ada.id)).toEqual([])
    done(await SECOND.totp(browser, ada))
    expect(await accountsOf(ada.id)).toEqual(['acme'])
  })

  it('a_trusted_browser_does_not_spare_the_second_factor_before_a_link', async () => {
    const ada = await person({ totp: true })
    const first = await begin()
    must(await FIRST.password(first, ada))
    const trusted = done(await SECOND.totp(first, ada, true))
    const cookies = jar(trusted.setCookies, first.caller.cookies)
    must(await endAll(ada.id))
    setClock(() => Date.now() + 60_000)
    const browser = await begin(cookies)
    must(await by(browser, peers(), 'acme', somebodyThere({ email: ada.email })))
    expect(stepOf(await FIRST.password(browser, ada))).toBe('second')
    expect(await accountsOf(ada.id)).toEqual([])
  })
  const endAll = async (userId: string) => {
    const [session] = await sessions.list(userId)
    await sessions.revoke({ userId, sid: session?.sid ?? '' }, { reason: 'test' })
    return { ok: true as const, value: undefined }
  }

  it('whoever proves another account gets nothing linked', async () => {
    const { ada, browser } = await sameAddress()
    const eve = await person()
    expect(done(await FIRST.password(browser, eve)).facts.userId).toBe(eve.id)
    expect(await accountsOf(eve.id)).toEqual([])
    expect(await accountsOf(ada.id)).toEqual([])
  })

  it('who wants no link signs in without one', async () => {
    const { ada, browser } = await sameAddress()
    must(await signin.withoutLinking(browser.flow, browser.caller))
    done(await FIRST.password(browser, ada))
    expect(await accountsOf(ada.id)).toEqual([])
  })

  it('a_second_account_of_one_provider_is_not_linked_over_the_first', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    const result = await by(await begin(), peers(), 'acme', somebodyThere({ email: ada.email }))
    expect(refusal(result)).toBe('provider_other_linked')
  })

  it('a disabled account stays closed, whoever vouches for its address', async () => {
    const ada = await person()
    await users.disable(ada.id, { reason: 'left', actor: 'operator' })
    const result = await by(await begin(), peers(), 'acme', somebodyThere({ email: ada.email }))
    expect(refusal(result)).toBe('account_disabled')
  })
})

describe('taking over by an address', () => {
  it('unverified_provider_address_matches_nobody', async () => {
    const ada = await person()
    for (const email_verified of [false, undefined, 'true', 1]) {
      const there = somebodyThere({ email: ada.email, email_verified })
      const browser = await begin()
      const { flow, caller } = browser
      // As for an address that is nobody's: it is asked for, and a code is said to be on its way.
      expect(stepOf(await by(browser, peers(), 'acme', there))).toBe('details')
      expect(must(await signin.expect(flow, caller)).linking).toBeNull()
      expect(stepOf(await signin.details(flow, { firstName: 'Eve', email: ada.email }, caller))).toBe(
        'verify_email',
      )
      // Its owner gets another mail, and no code matches.
      expect(await sentTo(ada.email)).toBe('')
      expect(await accountsOf(ada.id)).toEqual([])
    }
  })

  it('nOAuth: an address that a tenant wrote into its tokens matches nobody', async () => {
    const ada = await person()
    const there = somebodyThere({ email: ada.email, email_verified: true })
    const browser = await begin()
    expect(stepOf(await by(browser, peers(), 'microsoft', there))).toBe('details')
    expect(must(await signin.expect(browser.flow, browser.caller)).newcomer?.proven).toBe(false)
  })

  it('prehijack: an account prepared for an address loses it when its owner comes by a provider', async () => {
    const email = `victim.${nowMs()}@example.com`
    // Prepared by somebody else, in the two ways there are: as a claim of a real account, and as an account that waits.
    const eve = await person()
    must(await inTx((tx) => users.emails.claim(tx, eve.id, email)))
    const waiting = must(
      await inTx((tx) => users.register(tx, { email, verified: false, locale: 'en', actor: 'operator' })),
    )
    const browser = await begin()
    expect(stepOf(await by(browser, peers(), 'acme', somebodyThere({ email })))).toBe('details')
    const { facts } = done(await signin.details(browser.flow, { firstName: 'Ada' }, browser.caller))
    expect([eve.id, waiting.id]).not.toContain(facts.userId)
    expect((await users.find({ email }))?.id).toBe(facts.userId)
    for (const { id } of [eve, waiting])
      expect((await users.emails.list(id)).map(({ address }) => address)).not.toContain(email)
  })

  it('prehijack: a linked account prepared for an address gets nothing when its owner signs up', async () => {
    const email = `victim.${nowMs()}@example.com`
    const there = somebodyThere({ email, email_verified: false })
    const eve = await begin()
    must(await by(eve, peers(), 'acme', there))
    must(await signin.details(eve.flow, { firstName: 'Eve', email }, eve.caller))
    const codeForEve = await sentTo(email)
    // The owner signs up meanwhile, with a password.
    const ada = await begin()
    must(await signin.signUp(ada.flow, { email, password: PASSWORD, firstName: 'Ada' }, ada.caller))
    const { facts } = done(await signin.verify(ada.flow, { code: await sentTo(email) }, ada.caller))
    // Even the right code of the mailbox comes too late: the address has an owner.
    const late = await signin.verify(eve.flow, { code: codeForEve }, eve.caller)
    expect(refusal(late)).toBe('email_taken')
    expect(await accountsOf(facts.userId)).toEqual([])
    expect(stepOf(await by(await begin(), peers(), 'acme', there))).toBe('details')
  })

  it('a_callback_is_of_use_only_in_the_browser_of_its_attempt', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    become(peers(), 'acme', ada.linked?.person ?? somebodyThere())
    // Login CSRF: the attacker's answer in the victim's browser, with and without the victim's own attempt.
    const attacker = await goTo(await begin(), peers(), 'acme')
    const victim = await begin()
    const came = await signin.fromProvider('acme', attacker.query, victim.caller)
    expect(came).toMatchObject({ purpose: null, refusal: { code: 'flow_foreign_browser' } })
    // And the other way round: the victim's answer in the attacker's browser, whose cookie of the round trip it has.
    const victims = await goTo(await begin(), peers(), 'acme')
    const thief = {
      ...victims.caller,
      cookies: { ...victims.caller.cookies, ...(await begin()).caller.cookies },
    }
    const stolen = await signin.fromProvider('acme', victims.query, thief)
    expect(stolen).toMatchObject({
      purpose: 'sign_in',
      result: { refusal: { code: 'flow_foreign_browser' } },
    })
  })
})

describe('proving again who one is', () => {
  async function signedIn(having: Parameters<typeof person>[0]) {
    const ada = await person(having)
    const browser = await begin()
    const { facts, setCookies } = done(await FIRST.password(browser, ada))
    return { ada, facts, cookies: jar(setCookies, browser.caller.cookies) }
  }

  it('a provider that says when it asked is a fresh proof, of the account that is linked', async () => {
    const { ada, facts, cookies } = await signedIn({ linked: atAcme(peers()) })
    setClock(() => Date.now() + 20 * 60_000)
    peers().acme.bend = { skewSeconds: 20 * 60 }
    expect(sessions.isFresh(facts)).toBe(false)
    const browser = await begin(cookies, { reauth: true })
    expect(must(await signin.expect(browser.flow, browser.caller)).providers).toMatchObject([{ id: 'acme' }])
    const away = await leave(browser, 'acme')
    expect(away.step === 'away' && new URL(away.url).searchParams.get('prompt')).toBe('login')
    const again = done(await FIRST.oauth(await begin(cookies, { reauth: true }), ada))
    expect(again.facts.sid).toBe(facts.sid)
    expect(sessions.isFresh(again.facts)).toBe(true)
  })

  it('silent_sign_in_at_a_provider_is_no_fresh_proof', async () => {
    const { ada, cookies } = await signedIn({ linked: atAcme(peers()) })
    for (const auth_time of [Math.floor(Date.now() / 1000) - 3600, undefined]) {
      peers().acme.bend = { idToken: { auth_time } }
      const result = await FIRST.oauth(await begin(cookies, { reauth: true }), ada)
      expect(refusal(result)).toBe('provider_not_fresh')
    }
  })

  it('somebody_else_s_linked_account_is_no_proof_of_who_is_signed_in', async () => {
    const { cookies } = await signedIn({})
    const eve = await person({ linked: atAcme(peers()) })
    expect(refusal(await FIRST.oauth(await begin(cookies, { reauth: true }), eve))).toBe(
      'provider_other_person',
    )
    expect(refusal(await by(await begin(cookies, { reauth: true }), peers(), 'acme', somebodyThere()))).toBe(
      'provider_other_person',
    )
  })

  it('undated_word_never_makes_a_fresh_session', async () => {
    const ada = await person()
    const there = somebodyThere()
    await linkedAt(peers(), 'github', ada.id, there)
    const { facts, setCookies } = done(await by(await begin(), peers(), 'github', there))
    expect([sessions.isFresh(facts), facts.undated]).toEqual([false, true])
    expect(await sessions.check(jar(setCookies))).toMatchObject({ undated: true })
    // What is proven here beside it is as fresh as ever.
    const eve = await person({ totp: true })
    const other = somebodyThere()
    await linkedAt(peers(), 'github', eve.id, other)
    const browser = await begin()
    must(await by(browser, peers(), 'github', other))
    const both = done(
      await signin.second(browser.flow, { method: 'totp', code: codeOf(eve.secret) }, browser.caller),
    )
    expect([sessions.isFresh(both.facts), both.facts.undated]).toEqual([true, undefined])
  })

  it('an_app_that_asks_for_a_proof_of_now_has_it_asked_where_it_can_be_dated', async () => {
    const prompts = async (id: ProviderId, proveAnew: boolean) => {
      const away = await leave(await begin({}, { proveAnew }), id)
      return away.step === 'away' ? new URL(away.url).searchParams.get('prompt') : away.step
    }
    expect([await prompts('acme', true), await prompts('acme', false)]).toEqual(['login', null])
    // Where nobody says when, an answer would show nothing.
    for (const id of ['github', 'google'] as const) expect(await prompts(id, true)).toBeNull()
    // A clock that is behind by seconds asks nobody twice.
    const ada = await person({ linked: atAcme(peers()) })
    const auth_time = Math.floor(Date.now() / 1000) - 20
    peers().acme.bend = { idToken: { auth_time } }
    const browser = await begin({}, { proveAnew: true })
    const { facts } = done(await FIRST.oauth(browser, ada))
    expect(facts.authAt).toBeGreaterThan((auth_time + 15) * 1000)
    peers().acme.bend = { idToken: { auth_time: auth_time - 1200 } }
    const old = done(await FIRST.oauth(await begin({}, { proveAnew: true }), ada))
    expect(old.facts.authAt).toBe((auth_time - 1200) * 1000)
  })

  it('auth_time_is_the_provider_s_where_it_says_one', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    const auth_time = Math.floor(Date.now() / 1000) - 1200
    peers().acme.bend = { idToken: { auth_time } }
    const { facts } = done(await FIRST.oauth(await begin(), ada))
    expect(facts.authAt).toBe(auth_time * 1000)
    expect(sessions.isFresh(facts)).toBe(false)
  })
})

describe('a session that is over at the provider', () => {
  it('ends_here_and_no_other_does', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    const there = ada.linked?.person ?? somebodyThere()
    const byAcme = done(await FIRST.oauth(await begin(), ada)).facts
    const byPassword = done(await FIRST.password(await begin(), ada)).facts
    const eve = await person({ linked: atAcme(peers()) })
    const evesOwn = done(await FIRST.oauth(await begin(), eve)).facts
    const { acme } = peers()
    acme.person = there
    const end = (claims = {}) =>
      acme.logoutToken(claims).then((token) => signin.endedUpstream('acme', token, somewhere()))
    // Another session there is none of ours.
    expect(must(await end({ sid: 'another one' })).sids).toEqual([])
    expect(await sessions.alive(byAcme.sid)).not.toBeNull()
    const token = await acme.logoutToken()
    expect(must(await signin.endedUpstream('acme', token, somewhere())).sids).toEqual([byAcme.sid])
    expect(await sessions.alive(byAcme.sid)).toBeNull()
    expect(await sessions.alive(byPassword.sid)).not.toBeNull()
    expect(await sessions.alive(evesOwn.sid)).not.toBeNull()
    // Once: the same token again is a replay.
    expect((await signin.endedUpstream('acme', token, somewhere())).ok).toBe(false)
    // Without a session all that came from the account end.
    const more = done(await FIRST.oauth(await begin(), ada)).facts
    acme.person = there
    expect(must(await end({ sid: undefined })).sids).toEqual([more.sid])
  })

  it('is_ended_by_the_provider_s_own_signature_alone', async () => {
    const ada = await person({ linked: atAcme(peers()) })
    const { sid } = done(await FIRST.oauth(await begin(), ada)).facts
    const { acme, google } = peers()
    acme.person = ada.linked?.person ?? acme.person
    google.person = acme.person
    for (const token of [
      await google.logoutToken(),
      await acme.logoutToken({ nonce: 'x' }),
      await acme.logoutToken({ events: {} }),
      'nonsense',
    ])
      expect((await signin.endedUpstream('acme', token, somewhere())).ok).toBe(false)
    expect(await sessions.alive(sid)).not.toBeNull()
  })
})
