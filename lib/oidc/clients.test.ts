/** Relying apps: registration with sentences, secrets as hashes (OP10), rotation with overlap, limits on guesses. */
import { beforeAll, describe, expect, it } from 'vitest'
import { useStores } from '../testing'
import { redirectUriProblem } from './client-metadata'
import { secretValue } from './clients'
import * as oidc from './index'
import { call, newApp } from './testing/app'
import { type Portal, startPortal } from './testing/harness'

const stores = useStores()
let portal: Portal

beforeAll(async () => {
  portal = await startPortal()
  return () => portal.stop()
})

const probe = (app: { clientId: string; clientSecret: string | undefined }) =>
  call(portal, '/introspection', { ...app, redirectUri: '' }, { token: 'x' })

describe('registration', () => {
  it.each([
    ['https://app.example.com/cb', null],
    ['http://localhost:3001/cb', null],
    ['http://127.0.0.1/cb', null],
    ['http://[::1]:8080/cb', null],
    ['http://app.example.com/cb', 'must be https'],
    ['https://app.example.com/cb#x', 'fragment'],
    ['https://app.example.com/#', 'fragment'],
    ['javascript:alert(1)', 'javascript:'],
    ['data:text/html,x', 'data:'],
    ['https://*.example.com/cb', 'wildcard'],
    ['https://user:pw@example.com/cb', 'user name'],
    ['https://app.example.com/c b', 'spaces'],
    ['https://app.example.com\\@evil.com', 'backslashes'],
    ['/cb', 'absolute URL'],
    ['com.example.app:/cb', 'must be an https address'],
  ])('redirect URI %s', (uri, problem) => {
    if (problem === null) expect(redirectUriProblem(uri)).toBeNull()
    else expect(redirectUriProblem(uri)).toContain(problem)
  })

  it('lets native apps have a scheme of their own, but not one others could share', () => {
    expect(redirectUriProblem('com.example.app:/cb', true)).toBeNull()
    expect(redirectUriProblem('myapp:/cb', true)).toContain('reverse domain')
    expect(redirectUriProblem('javascript:x', true)).toContain('javascript:')
  })

  it('says which field is wrong and how to mend it', async () => {
    const bad = await oidc.clients.add({ name: 'X', redirectUris: ['http://a.example.com/'] })
    expect(bad).toMatchObject({
      ok: false,
      refusal: {
        code: 'redirect_uri_invalid',
        field: 'redirectUris',
        values: { message: expect.stringContaining('must be https') },
      },
    })
    expect(await oidc.clients.add({ name: '', redirectUris: ['https://a.example.com/'] })).toMatchObject({
      ok: false,
      refusal: { field: 'name' },
    })
    expect(await oidc.clients.add({ name: 'X', redirectUris: [] })).toMatchObject({
      ok: false,
      refusal: { field: 'redirectUris' },
    })
    const taken = { clientId: 'portal-demo', name: 'X', redirectUris: ['https://a.example.com/'] }
    expect((await oidc.clients.add(taken)).ok).toBe(true)
    expect(await oidc.clients.add(taken)).toMatchObject({ ok: false, refusal: { code: 'already_exists' } })
  })

  it('lists, shows, switches off and removes', async () => {
    const app = await newApp({ name: 'Zed', firstParty: true, pkce: false })
    expect(await oidc.clients.get(app.clientId)).toMatchObject({
      name: 'Zed',
      firstParty: true,
      pkce: false,
      grants: ['authorization_code', 'refresh_token'],
    })
    expect((await oidc.clients.list()).map((c) => c.clientId)).toContain(app.clientId)
    await oidc.clients.disable(app.clientId)
    expect((await probe(app)).status).toBe(401)
    await oidc.clients.remove(app.clientId)
    expect(await oidc.clients.get(app.clientId)).toBeNull()
    expect(await oidc.clients.remove(app.clientId)).toMatchObject({
      ok: false,
      refusal: { code: 'not_found' },
    })
  })

  it('a change made by another process counts at the next request', async () => {
    const app = await newApp()
    expect((await probe(app)).status).toBe(200)
    await stores.sql('UPDATE clients SET disabled_at = now() WHERE id = $1', [app.clientId])
    await stores.redis().publish('cache:drop', JSON.stringify({ kind: 'client', id: app.clientId }))
    await expect.poll(async () => (await probe(app)).status).toBe(401)
  })
})

describe('OP10: secrets', () => {
  it('are shown once and kept as hashes', async () => {
    const app = await newApp()
    expect(app.clientSecret).toMatch(/^gts_[\w-]{43}$/)
    const dump = JSON.stringify([
      (await stores.sql('SELECT * FROM clients')).rows,
      (await stores.sql('SELECT * FROM client_secrets')).rows,
      (await stores.sql('SELECT * FROM events')).rows,
      await oidc.clients.get(app.clientId),
      await oidc.clients.list(),
    ])
    expect(dump).not.toContain(app.clientSecret)
    expect(JSON.stringify(await oidc.clients.list())).not.toContain('"hash"')
    expect((await probe(app)).status).toBe(200)
  })

  it('are_never_named_by_what_the_command_line_takes_for_an_option', () => {
    const made = Array.from({ length: 2000 }, () => secretValue())
    expect(made.filter((secret) => secret.at(-4) === '-')).toEqual([])
    expect(new Set(made.map((secret) => secret.length))).toEqual(new Set([47]))
  })

  it('rotate with overlap', async () => {
    const app = await newApp()
    const rotated = await oidc.clients.rotateSecret(app.clientId, { overlapSeconds: 3600 })
    if (!rotated.ok) throw new Error('not rotated')
    expect((await probe(app)).status).toBe(200)
    expect((await probe({ ...app, clientSecret: rotated.value.clientSecret })).status).toBe(200)
    await oidc.clients.rotateSecret(app.clientId, { overlapSeconds: 0 })
    expect((await probe(app)).status).toBe(401)
    expect((await probe({ ...app, clientSecret: rotated.value.clientSecret })).status).toBe(401)
  })

  it('client_secret_post works where registered, and two mechanisms at once do not', async () => {
    const app = await newApp({ authMethod: 'client_secret_post' })
    const secret = app.clientSecret ?? ''
    const posted = await call(portal, '/introspection', null, {
      token: 'x',
      client_id: app.clientId,
      client_secret: secret,
    })
    expect(posted.status).toBe(200)
    expect((await call(portal, '/introspection', app, { token: 'x', client_secret: secret })).status).toBe(
      400,
    )
  })

  it('wrong_secrets_run_out: 429 with Retry-After, for that app and address only', async () => {
    const app = await newApp()
    const wrong = { ...app, clientSecret: 'gts_wrong' }
    const answers = []
    for (let i = 0; i < 12; i++) answers.push(await probe(wrong))
    expect(answers.slice(0, 10).every((a) => a.status === 401 && a.json.error === 'invalid_client')).toBe(
      true,
    )
    const last = answers.at(-1)
    expect([last?.status, last?.json.error]).toEqual([429, 'invalid_client'])
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await probe(app)).status).toBe(429)
    expect((await probe(await newApp())).status).toBe(200)
  })

  it('a public client has none', async () => {
    const spa = await newApp({ authMethod: 'none' })
    expect(spa.clientSecret).toBeUndefined()
    expect(await oidc.clients.rotateSecret(spa.clientId)).toMatchObject({ ok: false })
  })
})
