/** Signing keys by the clock and in an emergency (KEY1): who signs when, what is published until when, what dies. */
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { useStores } from '../testing'
import * as oidc from './index'
import { type App, introspect, newApp, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const DAY = 86_400_000
const ORDERS = 'https://orders.example.com'
const stores = useStores()
/** Polls until it holds; what comes by a message takes a moment. */
const soon = (fn: () => void | Promise<void>) => vi.waitFor(fn, { timeout: 5000, interval: 10 })

let portal: Portal
let user: string
let app: App
let seen = 0

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  const added = await oidc.resources.add({ id: ORDERS, name: 'Orders', scopes: [{ name: 'orders:read' }] })
  if (!added.ok) throw new Error('no API')
  app = await newApp({ resources: [{ resource: ORDERS }] })
  return () => portal.stop()
})

/** As at a first start. */
beforeEach(async () => {
  await stores.sql("DELETE FROM signing_keys WHERE status IN ('retired', 'revoked')")
  await stores.sql(`UPDATE signing_keys SET created_at = now(), active_at = now() WHERE status = 'active'`)
  await stores.sql(`UPDATE signing_keys SET created_at = now() WHERE status = 'next'`)
  passed = 0
  await oidc.stop()
  await oidc.start()
  seen = (await allEvents()).length
})
afterEach(() => {
  setClock(null)
  delete process.env.KEY_ROTATION_DAYS
  reloadEnv()
})

let passed = 0
/** So long after the first start: all that was done lies so much further back, by either clock. */
async function daysLater(days: number): Promise<void> {
  const more = days - passed
  passed = days
  await stores.sql(
    `UPDATE signing_keys SET created_at = created_at - $1 * interval '1 day', active_at = active_at - $1 * interval '1 day',
       retired_at = retired_at - $1 * interval '1 day'`,
    [more],
  )
}
const published = async () =>
  (await (await fetch(`${portal.issuer}/jwks`)).json()) as { keys: { kid: string }[] }
const kids = async (status: string, algorithm?: string) =>
  (await oidc.keys.list())
    .filter((key) => key.status === status && (!algorithm || key.algorithm === algorithm))
    .map(({ kid }) => kid)
const allEvents = async () =>
  (
    await stores.sql(
      "SELECT type, actor, data->>'kid' AS kid FROM events WHERE type LIKE 'key.%' ORDER BY id",
    )
  ).rows
/** What was recorded in this test. */
const events = async () => (await allEvents()).slice(seen)

describe('by the clock', () => {
  it('a_key_that_signed_for_90_days_gives_way_to_the_one_that_was_published_all_the_while', async () => {
    const [active, next] = [await kids('active'), await kids('next')]
    const before = await signInTo(new Browser(portal), app, user)
    await daysLater(89.9)
    await oidc.sweep()
    expect(await kids('active')).toEqual(active)
    await daysLater(90.1)
    await oidc.sweep()
    expect((await kids('active')).sort()).toEqual(next.sort())
    expect((await kids('retired')).sort()).toEqual(active.sort())
    // What is to sign next is known from now on, and what signed is still.
    const all = [...next, ...active, ...(await kids('next'))].sort()
    await soon(async () => expect((await published()).keys.map(({ kid }) => kid).sort()).toEqual(all))
    const after = await signInTo(new Browser(portal), app, user)
    expect(next).toContain(decodeProtectedHeader(after.json.id_token).kid)
    const set = createLocalJWKSet(await published())
    for (const { json } of [before, after]) await jwtVerify(json.id_token, set, { issuer: portal.issuer })
    expect(await events()).toEqual(
      (await kids('retired')).map(() => ({ type: 'key.rotated', actor: 'system', kid: expect.anything() })),
    )
  })

  it('a_new_key_never_signs_before_it_was_published_for_a_day', async () => {
    process.env.KEY_ROTATION_DAYS = '1'
    reloadEnv()
    await daysLater(40)
    await stores.sql("DELETE FROM signing_keys WHERE status = 'next'")
    await oidc.stop()
    await oidc.start()
    const active = await kids('active')
    await oidc.sweep()
    expect(await kids('active')).toEqual(active)
    await daysLater(40.9)
    await oidc.sweep()
    expect(await kids('active')).toEqual(active)
    await daysLater(41.1)
    await oidc.sweep()
    expect(await kids('active')).not.toEqual(active)
  })

  it('each_algorithm_is_rotated_on_its_own', async () => {
    await daysLater(50)
    expect((await oidc.keys.rotate({ algorithm: 'EdDSA' })).ok).toBe(true)
    const [edDsa, es256] = [await kids('active', 'EdDSA'), await kids('active', 'ES256')]
    await daysLater(91)
    await oidc.sweep()
    expect(await kids('active', 'EdDSA')).toEqual(edDsa)
    expect(await kids('active', 'ES256')).not.toEqual(es256)
    await daysLater(141)
    await oidc.sweep()
    expect(await kids('active', 'EdDSA')).not.toEqual(edDsa)
  })

  it('many_at_once_rotate_once', async () => {
    await daysLater(91)
    const next = await kids('next')
    await Promise.all(Array.from({ length: 3 }, () => oidc.sweep()))
    expect((await kids('active')).sort()).toEqual(next.sort())
    expect([await kids('next'), await kids('retired')].map((all) => all.length)).toEqual([3, 3])
    expect(await events()).toHaveLength(3)
  })

  it('one_that_dies_on_the_way_has_changed_nothing_and_the_next_one_rotates', async () => {
    await daysLater(91)
    const [active, next] = [await kids('active'), await kids('next')]
    // The last of its writes fails, as if the process were gone by then.
    await stores.sql(
      `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'gone'; END $$`,
    )
    await stores.sql('CREATE TRIGGER die BEFORE INSERT ON events EXECUTE FUNCTION die()')
    await oidc.sweep()
    expect([await kids('active'), await kids('next')]).toEqual([active, next])
    await stores.sql('DROP TRIGGER die ON events')
    // As a process does that starts again.
    await oidc.stop()
    await oidc.start()
    await soon(async () => expect((await kids('active')).sort()).toEqual(next.sort()))
  })

  it('a_flush_of_redis_in_the_middle_loses_no_key_and_no_sign_in', async () => {
    const browser = new Browser(portal)
    const { json } = await signInTo(browser, app, user)
    await stores.sql(
      `UPDATE signing_keys SET created_at = created_at - interval '91 days', active_at = active_at - interval '91 days'`,
    )
    await Promise.all([oidc.sweep(), stores.redis().flushdb()])
    await stores.redis().flushdb()
    await soon(async () => expect((await published()).keys).toHaveLength(9))
    // Access tokens were in Redis; the app gets others, signed by the new key.
    expect((await userinfo(portal, json.access_token)).status).toBe(401)
    const again = await refresh(portal, app, json.refresh_token)
    expect(await kids('active')).toContain(decodeProtectedHeader(again.json.id_token).kid)
  })

  it('off_it_is_left_to_the_operator', async () => {
    process.env.KEY_ROTATION_DAYS = '0'
    reloadEnv()
    const active = await kids('active')
    await daysLater(1000)
    await oidc.sweep()
    expect(await kids('active')).toEqual(active)
    expect((await oidc.keys.list()).every(({ rotatesAt }) => rotatesAt === null)).toBe(true)
  })

  it('an_old_key_is_published_until_nothing_it_signed_is_good_and_then_it_is_gone_for_good', async () => {
    const old = await kids('active')
    await daysLater(91)
    await oidc.sweep()
    const until = (await oidc.keys.list()).find(({ status }) => status === 'retired')?.publishedUntil
    // Sessions live for thirty days, and their ID tokens are hints for as long.
    expect(Math.round(((until?.getTime() ?? 0) - Date.now()) / DAY)).toBe(30)
    await daysLater(121)
    await oidc.sweep()
    expect((await kids('retired')).sort()).toEqual(old.sort())
    await daysLater(122)
    await oidc.sweep()
    expect(await kids('retired')).toEqual([])
    await soon(async () => {
      const now = (await published()).keys.map(({ kid }) => kid)
      expect(now.filter((kid) => old.includes(kid))).toEqual([])
    })
    const { rows } = await stores.sql("SELECT kid FROM signing_keys WHERE private_sealed = ''")
    expect(rows.map(({ kid }) => kid).sort()).toEqual(old.sort())
    const gone = (await events()).filter(({ type }) => type === 'key.unpublished')
    expect(gone.map(({ kid }) => kid).sort()).toEqual(old.sort())
  })
})

describe('a clock that is wrong', () => {
  const all = async () => (await oidc.keys.list()).map(({ kid, status }) => `${kid} ${status}`).sort()
  const ahead = (days: number) => setClock(() => Date.now() + days * DAY)

  it('a_process_whose_clock_is_apart_from_the_databases_rotates_and_retires_nothing', async () => {
    await daysLater(91)
    await oidc.sweep()
    const before = await all()
    expect(await kids('retired')).toHaveLength(3)
    for (const days of [365, -365, 1 / 24, -1 / 24]) {
      // So that something is due, whichever of the clocks is asked.
      await stores.sql(
        `UPDATE signing_keys SET created_at = now() - interval '999 days', active_at = now() - interval '999 days' WHERE status <> 'retired'`,
      )
      ahead(days)
      await oidc.sweep()
      expect(await all()).toEqual(before)
      expect(await oidc.keys.rotate({ early: true })).toMatchObject({
        ok: false,
        refusal: {
          values: { message: expect.stringMatching(/^the clock of this machine is \d+ s (ahead|beh)/) },
        },
      })
      expect((await oidc.keys.redate()).ok).toBe(false)
      setClock(null)
    }
    // The others, and this one once its clock is right, do what is due.
    await oidc.sweep()
    expect(await all()).not.toEqual(before)
  })

  it('a_year_ahead_and_back_leaves_no_time_behind_and_rotation_goes_on', async () => {
    await stores.sql('DELETE FROM signing_keys')
    ahead(365)
    await oidc.stop()
    await oidc.start()
    await oidc.sweep()
    setClock(null)
    for (const { createdAt, activeAt } of await oidc.keys.list())
      for (const at of [createdAt, activeAt])
        expect((at ?? createdAt).getTime()).toBeLessThan(Date.now() + 1000)
    const next = await kids('next')
    await daysLater(90.1)
    await oidc.sweep()
    expect((await kids('active')).sort()).toEqual(next.sort())
  })

  it('an_emergency_waits_for_no_clock_and_has_the_databases_time', async () => {
    const [bad] = await kids('active', 'ES256')
    ahead(365)
    expect((await oidc.keys.rotate({ algorithm: 'ES256', emergency: true })).ok).toBe(true)
    const es256 = (await oidc.keys.list()).filter(({ algorithm }) => algorithm === 'ES256')
    expect(es256.find(({ kid }) => kid === bad)?.status).toBe('revoked')
    for (const { createdAt, activeAt, retiredAt } of es256)
      for (const at of [createdAt, activeAt, retiredAt])
        expect((at ?? createdAt).getTime()).toBeLessThan(Date.now() + 1000)
  })

  it('times_in_the_future_silence_rotation_until_they_are_mended_by_hand_and_no_key_goes_too_soon', async () => {
    await daysLater(2)
    expect((await oidc.keys.rotate()).ok).toBe(true)
    // As if both clocks had been a year ahead.
    const keys = await all()
    await daysLater(2 - 365)
    await oidc.sweep()
    expect(await all()).toEqual(keys)
    const mended = await oidc.keys.redate()
    expect(mended.ok && mended.value).toHaveLength(9)
    expect(await oidc.keys.redate()).toEqual({ ok: true, value: [] })
    const recorded = (await events()).filter(({ type }) => type === 'key.redated')
    expect(recorded).toHaveLength(9)
    expect(await all()).toEqual(keys)
    passed = 0
    await daysLater(30)
    await oidc.sweep()
    expect(await all()).toEqual(keys)
    await daysLater(91)
    await oidc.sweep()
    expect(await kids('active')).toEqual(
      expect.arrayContaining(keys.filter((k) => k.endsWith(' next')).map((k) => k.split(' ')[0])),
    )
  })
})

describe('by hand', () => {
  it('waits_until_apps_can_know_the_next_key_unless_told_otherwise', async () => {
    const next = await kids('next')
    const early = await oidc.keys.rotate()
    expect(early).toMatchObject({ ok: false, refusal: { code: 'invalid_input', field: 'algorithm' } })
    expect(await kids('next')).toEqual(next)
    expect((await oidc.keys.rotate({ early: true })).ok).toBe(true)
  })

  it('two_at_once_rotate_once', async () => {
    await daysLater(2)
    const both = await Promise.all([oidc.keys.rotate(), oidc.keys.rotate()])
    expect(both.map(({ ok }) => ok).sort()).toEqual([false, true])
    expect(await kids('retired')).toHaveLength(3)
  })
})

describe('in an emergency', () => {
  it('what_the_compromised_key_signed_is_refused_at_once_and_what_it_did_not_sign_lives_on', async () => {
    const api = await newApp({ redirectUris: [], grants: [], serves: [ORDERS] })
    const browser = new Browser(portal)
    const { json } = await signInTo(browser, app, user)
    const signed = await machineToken()
    expect((await introspect(portal, api, signed)).json.active).toBe(true)
    const [bad] = await kids('active', 'ES256')
    const others = [...(await kids('active', 'RS256')), ...(await kids('active', 'EdDSA'))]
    expect((await oidc.keys.rotate({ algorithm: 'ES256', emergency: true })).ok).toBe(true)
    await soon(async () => expect(JSON.stringify(await published())).not.toContain(bad))
    expect((await introspect(portal, api, signed)).json).toEqual({ active: false })
    const set = createLocalJWKSet(await published())
    for (const token of [signed, json.id_token]) {
      expect(decodeProtectedHeader(token).kid).toBe(bad)
      await expect(jwtVerify(token, set)).rejects.toThrow()
    }
    // As a hint it says nothing: the person is asked.
    const hinted = await browser.go(`/oidc/logout?id_token_hint=${json.id_token}`)
    expect(hinted.url.pathname).toBe('/signout')
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
    expect((await refresh(portal, app, json.refresh_token)).status).toBe(200)
    for (const kid of others) expect(JSON.stringify(await published())).toContain(kid)
    expect(await events()).toEqual([{ type: 'key.revoked', actor: 'operator', kid: bad }])
  })

  it('takes_the_next_and_the_older_ones_too_where_all_may_be_known', async () => {
    await daysLater(2)
    await oidc.keys.rotate()
    const known = (await oidc.keys.list()).filter(({ algorithm }) => algorithm === 'ES256')
    expect(known).toHaveLength(3)
    expect((await oidc.keys.rotate({ all: true })).ok).toBe(false)
    expect((await oidc.keys.rotate({ algorithm: 'ES256', emergency: true, all: true })).ok).toBe(true)
    await soon(async () => {
      const text = JSON.stringify(await published())
      for (const { kid } of known) expect(text).not.toContain(kid)
    })
    expect([await kids('active', 'ES256'), await kids('next', 'ES256')].map((all) => all.length)).toEqual([
      1, 1,
    ])
    expect((await signInTo(new Browser(portal), app, user)).status).toBe(200)
  })
})

/** A signed access token of an app that acts for itself. */
async function machineToken(): Promise<string> {
  const machine = await newApp({
    redirectUris: [],
    grants: ['client_credentials'],
    resources: [{ resource: ORDERS }],
  })
  const basic = Buffer.from(`${machine.clientId}:${machine.clientSecret}`).toString('base64')
  const res = await fetch(`${portal.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'orders:read' }),
  })
  return ((await res.json()) as { access_token: string }).access_token
}
