/** Linked accounts as their owners change them, and as an intruder would, with a real provider on loopback. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import * as federation from '../federation'
import * as recovery from '../recovery'
import * as sessions from '../sessions'
import * as signin from '../signin'
import { usePeers } from '../signin/provider.fixture'
import { useStores } from '../testing'
import { ADA } from '../testing/peers'
import * as security from './index'
import { jar, mails, must, newest, person, refusal, signIn, somewhere, tokenFor } from './people.fixture'

const stores = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
const { peers } = usePeers()

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => {
  setClock(null)
  for (const name of ['SIGN_IN_METHODS', 'PROVIDERS']) delete process.env[name]
  Object.assign(process.env, peers().env)
  reloadEnv()
})

const under = (env: Record<string, string>) => {
  Object.assign(process.env, env)
  reloadEnv()
}

type Someone = Awaited<ReturnType<typeof person>>
let subjects = 0

/** The browser of somebody who is signed in, with the cookie that says so. */
async function browserOf(someone: Someone) {
  const caller = somewhere()
  const opened = must(
    await sessions.open({
      userId: someone.id,
      method: 'password',
      proofs: [{ method: 'password', amr: ['pwd'], at: Date.now() }],
      caller,
    }),
  )
  return { who: opened.facts, caller: { ...caller, cookies: jar(opened.setCookies) } }
}

/** There with an account of their own, and what the browser brings back. */
async function goTo({ who, caller }: Awaited<ReturnType<typeof browserOf>>, email = 'ada@example.org') {
  const { acme } = peers()
  subjects += 1
  acme.person = { ...ADA, sub: `subject-${subjects}`, email }
  const away = must(await security.linked.begin(who, { provider: 'acme' }, caller))
  const { url } = await acme.press(away.url)
  return { query: url.searchParams, cookies: jar(away.setCookies) }
}

async function link(browser: Awaited<ReturnType<typeof browserOf>>) {
  const { query, cookies } = await goTo(browser)
  const caller = { ...browser.caller, cookies: { ...browser.caller.cookies, ...cookies } }
  const came = await signin.fromProvider('acme', query, caller)
  if (came.purpose !== 'link') throw new Error(JSON.stringify(came))
  return came.result
}

const accounts = (userId: string) => federation.accounts.list(userId)

describe('linking', () => {
  test('links, renews the session, tells all addresses, and shows who it is there', async () => {
    const ada = await person()
    const browser = await browserOf(ada)
    const made = must(await link(browser))
    expect(made.name).toBe('Acme (ada@example.org)')
    expect(await sessions.check(browser.caller.cookies)).toBeNull()
    expect(await sessions.check(jar(made.setCookies))).toMatchObject({ sid: browser.who.sid })
    const { accounts: listed, others } = await security.linked.list(ada.id)
    expect(listed).toMatchObject([{ providerName: 'Acme', email: 'ada@example.org', on: true }])
    expect(others.map(({ id }) => id)).not.toContain('acme')
    const mail = await newest(ada.email)
    expect(mail.subject).toMatch(/linked/)
    expect(mail.text).toContain('Acme')
    const { items } = await audit.list(ada.id, { limit: 20, types: ['account.linked'] })
    expect(items).toHaveLength(1)
  })

  test('asks for a fresh proof, before and after the way to the provider', async () => {
    const ada = await person()
    const browser = await browserOf(ada)
    const { query, cookies } = await goTo(browser)
    setClock(() => Date.now() + 11 * 60_000)
    peers().acme.bend = { skewSeconds: 11 * 60 }
    expect(refusal(await security.linked.begin(browser.who, { provider: 'acme' }, browser.caller))).toBe(
      'proof_required',
    )
    const caller = { ...browser.caller, cookies: { ...browser.caller.cookies, ...cookies } }
    const came = await signin.fromProvider('acme', query, caller)
    // Ten minutes are the life of the round trip, too.
    expect(came).toMatchObject({ purpose: null, refusal: { code: 'flow_expired' } })
    expect(await accounts(ada.id)).toEqual([])
    peers().acme.bend = {}
  })

  test('account_linking_by_csrf_is_refused', async () => {
    const [ada, eve] = [await person(), await person()]
    const [hers, evil] = [await browserOf(ada), await browserOf(eve)]
    // Eve stops before the callback and lures Ada there, who is signed in: even with the cookie of Eve's round trip.
    const { query, cookies } = await goTo(evil)
    expect(await signin.fromProvider('acme', query, hers.caller)).toMatchObject({
      purpose: null,
      refusal: { code: 'flow_foreign_browser' },
    })
    const again = await goTo(evil)
    const caller = { ...hers.caller, cookies: { ...hers.caller.cookies, ...again.cookies } }
    expect(await signin.fromProvider('acme', again.query, caller)).toMatchObject({
      purpose: 'link',
      result: { ok: false, refusal: { code: 'flow_foreign_browser' } },
    })
    expect(Object.keys(cookies)).toHaveLength(1)
    for (const { id } of [ada, eve]) expect(await accounts(id)).toEqual([])
  })

  test('another session of the same person is another one, and signed out is nobody', async () => {
    const ada = await person()
    const [one, two] = [await browserOf(ada), await browserOf(ada)]
    for (const held of [two.caller.cookies, {}]) {
      const { query, cookies } = await goTo(one)
      const came = await signin.fromProvider('acme', query, {
        ...one.caller,
        cookies: { ...held, ...cookies },
      })
      expect(came).toMatchObject({ result: { refusal: { code: 'flow_foreign_browser' } } })
    }
    expect(await accounts(ada.id)).toEqual([])
  })

  test('an account that is somebody else’s stays theirs', async () => {
    const [ada, eve] = [await person(), await person()]
    must(await link(await browserOf(ada)))
    subjects -= 1
    expect(refusal(await link(await browserOf(eve)))).toBe('identity_taken')
    expect(await accounts(eve.id)).toEqual([])
  })

  test('two_tabs_link_one_account_of_a_provider', async () => {
    const ada = await person()
    const browser = await browserOf(ada)
    const [one, two] = [await goTo(browser), await goTo(browser)]
    const come = async ({ query, cookies }: typeof one, session: Record<string, string>) => {
      const caller = { ...browser.caller, cookies: { ...session, ...cookies } }
      const came = await signin.fromProvider('acme', query, caller)
      if (came.purpose !== 'link') throw new Error(JSON.stringify(came))
      return came.result
    }
    const { setCookies } = must(await come(one, browser.caller.cookies))
    expect(refusal(await come(two, jar(setCookies)))).toBe('already_exists')
    expect(await accounts(ada.id)).toHaveLength(1)
  })

  test('is off where passkeys are the only way in', async () => {
    under({ SIGN_IN_METHODS: 'passkey' })
    const { who, caller } = await browserOf(await person())
    expect(refusal(await security.linked.begin(who, { provider: 'acme' }, caller))).toBe('method_off')
  })
})

describe('unlinking', () => {
  test('unlinks with a fresh proof, tells, and lets nobody in by it any more', async () => {
    const ada = await person()
    must(await link(await browserOf(ada)))
    const [account] = await accounts(ada.id)
    const who = await signIn(ada.id)
    const eve = await person()
    expect(refusal(await security.linked.remove(eve.who, { id: account?.id ?? '' }, somewhere()))).toBe(
      'not_found',
    )
    expect(must(await security.linked.remove(who, { id: account?.id ?? '' }, somewhere())).name).toBe(
      'Acme (ada@example.org)',
    )
    expect(await accounts(ada.id)).toEqual([])
    expect((await mails(ada.email)).some(({ subject }) => /removed/.test(subject))).toBe(true)
    setClock(() => Date.now() + 11 * 60_000)
    expect(refusal(await security.linked.remove(who, { id: account?.id ?? '' }, somewhere()))).toBe(
      'proof_required',
    )
  })

  test('not_the_last_way_in', async () => {
    under({ SIGN_IN_METHODS: 'password' })
    const ada = await person()
    must(await link(await browserOf(ada)))
    await stores.sql('DELETE FROM passwords WHERE user_id = $1', [ada.id])
    const [account] = await accounts(ada.id)
    const unlink = async () =>
      refusal(await security.linked.remove(await signIn(ada.id), { id: account?.id ?? '' }, somewhere()))
    expect(await unlink()).toBe('last_way_back')
    // With a code by mail there is another one.
    under({ SIGN_IN_METHODS: 'password,email_code' })
    expect(await unlink()).toBeNull()
  })

  test('two_unlinks_at_once_leave_a_way_in', async () => {
    under({ SIGN_IN_METHODS: 'password' })
    const ada = await person()
    const browser = await browserOf(ada)
    must(await link(browser))
    const google = peers().google
    google.person = { ...ADA, sub: `two-${subjects}` }
    const second = await browserOf(ada)
    const away = must(await security.linked.begin(second.who, { provider: 'google' }, second.caller))
    const { url } = await google.press(away.url)
    const cookies = { ...second.caller.cookies, ...jar(away.setCookies) }
    await signin.fromProvider('google', url.searchParams, { ...second.caller, cookies })
    await stores.sql('DELETE FROM passwords WHERE user_id = $1', [ada.id])
    const both = await accounts(ada.id)
    expect(both).toHaveLength(2)
    const results = await Promise.all(
      both.map(async ({ id }) => security.linked.remove(await signIn(ada.id), { id }, somewhere())),
    )
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    expect(await accounts(ada.id)).toHaveLength(1)
  })

  test('one whose provider is gone takes nobody in, and can go', async () => {
    under({ SIGN_IN_METHODS: 'password' })
    const ada = await person()
    must(await link(await browserOf(ada)))
    await stores.sql('DELETE FROM passwords WHERE user_id = $1', [ada.id])
    under({ PROVIDERS: 'google' })
    const { accounts: listed } = await security.linked.list(ada.id)
    expect(listed).toMatchObject([{ providerName: 'acme', on: false }])
    must(await security.linked.remove(await signIn(ada.id), { id: listed[0]?.id ?? '' }, somewhere()))
  })
})

describe('an intruder’s linked account', () => {
  test('goes when the owner says that it was not them, and what was linked before stays', async () => {
    const ada = await person()
    must(await link(await browserOf(ada)))
    const mine = (await accounts(ada.id))[0]?.id ?? ''
    // Long ago.
    await stores.sql(`UPDATE auth_providers SET linked_at = now() - interval '30 days' WHERE id = $1`, [mine])
    const google = peers().google
    google.person = { ...ADA, sub: `thief-${subjects}`, email: 'thief@gmail.com' }
    const thief = await browserOf(ada)
    const away = must(await security.linked.begin(thief.who, { provider: 'google' }, thief.caller))
    const { url } = await google.press(away.url)
    const cookies = { ...thief.caller.cookies, ...jar(away.setCookies) }
    await signin.fromProvider('google', url.searchParams, { ...thief.caller, cookies })
    expect(await accounts(ada.id)).toHaveLength(2)
    const token = await tokenFor(ada.email, 'lockdown')
    expect(await security.lockdown.peek(token)).toMatchObject({
      factors: [{ kind: 'account', name: 'Google (thief@gmail.com)' }],
    })
    must(await security.lockdown.lockDown(token, somewhere()))
    expect((await accounts(ada.id)).map(({ id }) => id)).toEqual([mine])
  })

  test('the notice about a link takes that one away, however long ago it was', async () => {
    const ada = await person()
    must(await link(await browserOf(ada)))
    const token = await tokenFor(ada.email, 'lockdown')
    await stores.sql(`UPDATE auth_providers SET linked_at = now() - interval '5 days' WHERE user_id = $1`, [
      ada.id,
    ])
    must(await security.lockdown.lockDown(token, somewhere()))
    expect(await accounts(ada.id)).toEqual([])
  })
})

test('what each loss would do counts linked accounts, but not beside a mailbox', async () => {
  const ada = await person()
  must(await link(await browserOf(ada)))
  const seen = await recovery.outlook(ada.id)
  const linked = seen.losses.find(({ item }) => item.kind === 'linked')
  expect(linked?.item).toMatchObject({ label: 'Acme' })
  const password = seen.losses.find(({ item }) => item.kind === 'password')
  expect(password?.left.map(({ kind }) => kind)).toEqual(['email', 'linked'])
  under({ SIGN_IN_METHODS: 'passkey' })
  expect((await recovery.outlook(ada.id)).losses.map(({ item }) => item.kind)).not.toContain('linked')
})
