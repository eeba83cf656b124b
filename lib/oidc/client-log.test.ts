/** What an app's requests were refused for: precise, bounded, and without anything that anybody could use. */
import { beforeAll, expect, it } from 'vitest'
import { useStores } from '../testing'
import * as oidc from './index'
import { ask, call, newApp, refresh, signInTo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
let user: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser((text, values) => stores.sql(text, values))
  return () => portal.stop()
})

const open = (url: URL) => fetch(url, { redirect: 'manual', headers: { accept: 'application/json' } })

const logOf = async (clientId: string, count: number): Promise<oidc.LogEntry[]> => {
  await expect.poll(async () => (await oidc.clients.log(clientId)).length).toBe(count)
  return await oidc.clients.log(clientId)
}

it('says_newest_first_what_was_refused_where_and_by_which_request', async () => {
  const app = await newApp()
  const wrong = ask(portal, app, { redirect_uri: 'https://wrong.example.com/cb?token=s3cret#also' })
  const shown = (await (await open(wrong.url)).json()) as { request_id: string }
  await logOf(app.clientId, 1)
  await open(ask(portal, app, { code_challenge: null, code_challenge_method: null }).url)
  await logOf(app.clientId, 2)
  await call(
    portal,
    '/token',
    { ...app, clientSecret: 'gts_wrong' },
    { grant_type: 'refresh_token', refresh_token: 'x' },
  )
  await logOf(app.clientId, 3)
  await call(portal, '/token', app, {
    grant_type: 'authorization_code',
    code: 'nonsense',
    redirect_uri: app.redirectUri,
    code_verifier: 'x'.repeat(43),
  })
  const [code, secret, pkce, address] = await logOf(app.clientId, 4)
  expect(code).toMatchObject({
    endpoint: 'token',
    error: 'invalid_grant',
    detail: expect.stringMatching(/code/),
  })
  expect(secret).toMatchObject({ endpoint: 'token', error: 'invalid_client', detail: expect.any(String) })
  expect(pkce).toMatchObject({
    endpoint: 'authorization',
    error: 'invalid_request',
    description: expect.stringContaining('PKCE'),
  })
  expect(address).toMatchObject({
    endpoint: 'authorization',
    error: 'invalid_redirect_uri',
    redirectUri: 'https://wrong.example.com/cb',
    requestId: shown.request_id,
  })
  for (const entry of [code, secret, pkce, address]) expect(Date.parse(entry?.at ?? '')).toBeGreaterThan(0)
})

it('holds_no_token_no_secret_and_nobody', async () => {
  const app = await newApp()
  const { json, code, verifier } = await signInTo(new Browser(portal), app, user, {
    scope: 'openid email offline_access',
  })
  const used = await refresh(portal, app, json.refresh_token)
  await refresh(portal, app, used.json.refresh_token)
  // Replays end the family: each is a refusal with something secret in its request.
  await refresh(portal, app, json.refresh_token)
  await call(portal, '/token', app, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: app.redirectUri,
    code_verifier: verifier,
  })
  await call(
    portal,
    '/token',
    { ...app, clientSecret: 'gts_almost' },
    { grant_type: 'refresh_token', refresh_token: 'tok' },
  )
  await logOf(app.clientId, 3)
  const kept = JSON.stringify(await stores.redis().lrange(`client_log:${app.clientId}`, 0, -1))
  expect(kept).toContain('invalid_grant')
  for (const secret of [
    json.refresh_token,
    json.access_token,
    code,
    verifier,
    'gts_',
    app.clientSecret ?? '',
    user,
    'example.com',
    '127.0.0.1',
    '::1',
  ])
    expect(kept, secret).not.toContain(secret)
})

it('keeps_the_newest_hundred_for_a_week_and_each_app_its_own', async () => {
  const [app, other] = [await newApp(), await newApp()]
  const name = `client_log:${app.clientId}`
  const old = { at: '2026-01-01T00:00:00.000Z', endpoint: 'token', error: 'old', description: null }
  await stores.redis().lpush(name, ...Array.from({ length: 100 }, () => JSON.stringify(old)))
  await open(ask(portal, app, { scope: 'x'.repeat(900), response_type: 'token' }).url)
  await expect.poll(async () => (await oidc.clients.log(app.clientId))[0]?.error).not.toBe('old')
  expect(await stores.redis().llen(name)).toBe(100)
  const left = await stores.redis().ttl(name)
  expect(left).toBeGreaterThan(604_700)
  expect(left).toBeLessThanOrEqual(604_800)
  const [newest] = await oidc.clients.log(app.clientId, 1)
  expect(newest?.description?.length ?? 0).toBeLessThanOrEqual(300)
  expect(await oidc.clients.log(other.clientId)).toEqual([])
  await oidc.clients.remove(app.clientId)
  await expect.poll(() => stores.redis().exists(name)).toBe(0)
})

it('nobody_makes_a_list_for_an_app_that_does_not_exist', async () => {
  const before = await stores.redis().keys('client_log:*')
  const nobody = { clientId: 'no-such-app', clientSecret: 'x', redirectUri: 'https://x.example.com/' }
  await open(ask(portal, nobody).url)
  await call(portal, '/token', nobody, { grant_type: 'client_credentials' })
  const app = await newApp()
  await open(ask(portal, app, { response_type: 'token' }).url)
  await logOf(app.clientId, 1)
  const after = await stores.redis().keys('client_log:*')
  expect(after.filter((name) => !before.includes(name))).toEqual([`client_log:${app.clientId}`])
})
