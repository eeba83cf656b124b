/** Claims of an operator's own: what may be registered, what comes out, and where (decision 088). */
import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import { reloadEnv } from '../base/env'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import { mappedClaims } from './claims'
import { due, type Facts, MAX_MAPPED_BYTES, mapped, readMapping, TEMPLATES } from './claims-mapping'
import * as oidc from './index'
import { CLAIMS } from './scopes'
import { findClient } from './store-registry'
import { ask, newApp, redeem, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const NAMESPACE = 'https://hasura.io/jwt/claims'
const operator = { actor: 'operator' }

/** What Hasura documents of a JWT's claims (hasura.io/docs/2.0/auth/authentication/jwt). The first thing that is wrong, or null. */
function hasuraTrouble(token: Record<string, unknown>): string | null {
  const claims = token[NAMESPACE]
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return 'no namespace'
  const all = Object.entries(claims)
  const [allowed, standard] = [
    Object(claims)['x-hasura-allowed-roles'],
    Object(claims)['x-hasura-default-role'],
  ]
  if (!Array.isArray(allowed) || allowed.length === 0) return 'allowed-roles is no array with something in it'
  if (!allowed.every((role) => typeof role === 'string'))
    return 'allowed-roles has something else than strings'
  if (typeof standard !== 'string') return 'default-role is no string'
  if (!allowed.includes(standard)) return 'default-role is not allowed'
  for (const [name, value] of all) {
    if (!/^x-hasura-[a-z0-9-]+$/.test(name)) return `${name} is no session variable`
    if (name !== 'x-hasura-allowed-roles' && typeof value !== 'string') return `${name} is no string`
  }
  return null
}

const facts = (more: Partial<Facts> = {}): Facts => ({
  id: '5f0c0000-0000-4000-8000-000000000000',
  createdAt: new Date('2026-01-02T03:04:05Z'),
  isAnonymous: false,
  roles: ['editor', 'user'],
  defaultRole: 'user',
  claims: { name: 'Ada Lovelace', given_name: 'Ada', email: 'ada@example.com', email_verified: true },
  metadata: { plan: 'pro', tenant: { id: 7, tags: ['a', 'b'] }, nothing: null, __proto__: { no: 1 } },
  ...more,
})

const one = (value: unknown, from = facts()): unknown => {
  const read = readMapping([{ name: 'x', always: true, value }])
  if (!read.ok) throw new Error(read.message)
  return mapped(read.claims, from).claims.x
}

describe('what may be registered', () => {
  it.each([
    ...Object.keys(CLAIMS),
    'iss',
    'sub',
    'aud',
    'exp',
    'nonce',
    'sid',
    'azp',
    'cnf',
    'email',
    'at_hash',
    '__proto__',
  ])('reserved_claim_cannot_be_mapped_over: %s', (name) => {
    expect(
      readMapping([JSON.parse(`{"name":${JSON.stringify(name)},"always":true,"value":"x"}`)]),
    ).toMatchObject({
      ok: false,
      message: expect.stringContaining('reserved'),
    })
  })

  it.each([
    ['no scope and not always', [{ name: 'a', value: 1 }]],
    ['scope and always', [{ name: 'a', value: 1, scope: 'email', always: true }]],
    ['a scope that nobody has words for', [{ name: 'a', value: 1, scope: 'everything' }]],
    ['nowhere', [{ name: 'a', value: 1, always: true, in: [] }]],
    ['a member that means nothing', [{ name: 'a', value: 1, always: true, when: 'now' }]],
    ['null', [{ name: 'a', value: { b: null }, always: true }]],
    ['a placeholder for a secret', [{ name: 'a', value: '{{user.password}}', always: true }]],
    ['a placeholder that climbs', [{ name: 'a', value: '{{metadata.__proto__ | eval}}', always: true }]],
    ['a placeholder without a path', [{ name: 'a', value: '{{}}', always: true }]],
    ['a brace that is left open', [{ name: 'a', value: 'x {{metadata.a', always: true }]],
    ['the same name twice', [1, 2].map((value) => ({ name: 'a', value, always: true }))],
    ['too many', Array.from({ length: 33 }, (_, n) => ({ name: `a${n}`, value: n, always: true }))],
    [
      'too large',
      Array.from({ length: 20 }, (_, n) => ({ name: `a${n}`, value: 'x'.repeat(900), always: true })),
    ],
    ['too deep', [{ name: 'a', value: [[[[[[[1]]]]]]], always: true }]],
    [
      'a name that changes objects',
      [{ name: 'a', value: JSON.parse('{"__proto__":{"admin":true}}'), always: true }],
    ],
    ['no array', { name: 'a' }],
    ['nothing', null],
  ])('refused: %s', (_, input) => {
    const read = readMapping(input)
    expect(read.ok).toBe(false)
    expect(read.ok ? '' : read.message).toMatch(/\w{3,}/)
  })

  it.each(Object.entries(TEMPLATES))('the template %s is a mapping', (_, template) => {
    expect(readMapping(template)).toMatchObject({ ok: true })
  })
})

describe('what comes out', () => {
  it('a text that is one placeholder keeps its kind; inside a text it becomes text', () => {
    expect(one('{{roles}}')).toEqual(['editor', 'user'])
    expect(one('{{metadata.tenant.id}}')).toBe(7)
    expect(one('{{ metadata.tenant.id | text }}')).toBe('7')
    expect(one('t-{{metadata.tenant.id}}/{{default_role}}')).toBe('t-7/user')
    expect(one('{{metadata.tenant}}')).toEqual({ id: 7, tags: ['a', 'b'] })
    expect(one({ a: ['{{email}}', 1, true], b: 'const' })).toEqual({
      a: ['ada@example.com', 1, true],
      b: 'const',
    })
    expect(one('{{is_anonymous}}')).toBe(false)
    expect(one('{{user.created_at}}')).toBe('2026-01-02T03:04:05.000Z')
  })

  it('what is not known is left out, and never the word undefined or null', () => {
    expect(one('{{metadata.gone}}')).toBeUndefined()
    expect(one('{{metadata.nothing}}')).toBeUndefined()
    expect(one('Hello {{profile.family_name}}')).toBeUndefined()
    expect(one({ a: '{{metadata.gone}}', b: 1 })).toEqual({ b: 1 })
    expect(one(['{{metadata.gone}}', 1])).toEqual([1])
    expect(one('{{metadata.gone | default:free}}')).toBe('free')
    expect(one('{{metadata.plan | default:free}}')).toBe('pro')
    expect(one('{{metadata.gone | text}}')).toBeUndefined()
  })

  it('metadata_leads_to_its_own_members_alone', () => {
    for (const path of [
      '__proto__',
      'constructor',
      'constructor.name',
      'toString',
      'plan.length',
      'tenant.tags.map',
    ])
      expect(one(`{{metadata.${path}}}`), path).toBeUndefined()
    expect(one('{{metadata.a}}', facts({ metadata: { a: '{{roles}}' } }))).toBe('{{roles}}')
  })

  it('claims_made_of_personal_facts_need_their_scope_too', () => {
    const read = readMapping([
      { name: 'mail', scope: 'openid', value: { at: ['{{email}}'] } },
      { name: 'role', scope: 'profile', value: 'r-{{default_role}}' },
      { name: 'plan', scope: 'openid', value: '{{metadata.plan}}' },
      { name: 'all', always: true, value: '{{email}}' },
      { name: 'info', scope: 'openid', value: 1, in: ['userinfo'] },
    ])
    if (!read.ok) throw new Error(read.message)
    const names = (into: 'id_token' | 'userinfo', ...scopes: string[]) =>
      due(read.claims, into, new Set(scopes)).map(({ name }) => name)
    expect(names('id_token', 'openid')).toEqual(['plan', 'all'])
    expect(names('userinfo', 'openid')).toEqual(['plan', 'all', 'info'])
    expect(names('id_token', 'openid', 'email')).toEqual(['mail', 'plan', 'all'])
    expect(names('id_token', 'openid', 'profile')).toEqual(['plan', 'all'])
    expect(names('id_token', 'openid', 'profile', 'roles')).toEqual(['role', 'plan', 'all'])
    expect(names('id_token')).toEqual(['all'])
  })

  it('claims_for_which_a_token_has_no_room_are_left_out_in_order', () => {
    const read = readMapping(
      ['a', 'b', 'c'].map((name) => ({ name, always: true, value: '{{metadata.big}}' })),
    )
    if (!read.ok) throw new Error(read.message)
    const { claims, dropped } = mapped(
      read.claims,
      facts({ metadata: { big: 'x'.repeat(MAX_MAPPED_BYTES / 2 - 100) } }),
    )
    expect([Object.keys(claims), dropped]).toEqual([['a', 'b'], ['c']])
  })

  it.each([
    ['somebody with roles', facts()],
    ['somebody with the default role alone', facts({ roles: ['user'] })],
    [
      'a guest',
      facts({ roles: ['anonymous'], defaultRole: 'anonymous', isAnonymous: true, claims: {}, metadata: {} }),
    ],
  ])('the hasura template keeps Hasura’s documented rules: %s', (_, who) => {
    const token = mapped(TEMPLATES.hasura as never, who).claims
    expect(hasuraTrouble(token)).toBeNull()
    expect(token[NAMESPACE]).toMatchObject({
      'x-hasura-user-id': who.id,
      'x-hasura-user-is-anonymous': String(who.isAnonymous),
    })
  })

  it('the checker of these tests sees what Hasura would refuse', () => {
    const good = { 'x-hasura-allowed-roles': ['user'], 'x-hasura-default-role': 'user' }
    expect(hasuraTrouble({ [NAMESPACE]: good })).toBeNull()
    for (const bad of [
      undefined,
      { ...good, 'x-hasura-default-role': 'admin' },
      { ...good, 'x-hasura-allowed-roles': 'user' },
      { ...good, 'x-hasura-allowed-roles': [] },
      { ...good, 'x-hasura-user-is-anonymous': false },
      { ...good, 'x-hasura-user-id': 7 },
      { ...good, tenant: 'a' },
    ])
      expect(hasuraTrouble({ [NAMESPACE]: bad })).not.toBeNull()
  })
})

describe('through the provider', () => {
  const stores = useStores()
  let portal: Portal
  beforeAll(async () => {
    process.env.GUESTS = 'on'
    reloadEnv()
    portal = await startPortal()
    return () => {
      delete process.env.GUESTS
      return portal.stop()
    }
  })

  it('ID token and userinfo hold them by scope, also after a refresh, and no other app does', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const changed = await oidc.clients.setClaims(app.clientId, [
      { name: 'plan', scope: 'profile', value: '{{metadata.plan | default:free}}' },
      { name: 'https://example.com/mail', scope: 'openid', value: '{{email}}', in: ['userinfo'] },
      { name: 'tenant', always: true, value: { id: '{{metadata.tenant}}', region: 'eu' } },
    ])
    expect(changed.ok).toBe(true)
    expect((await users.metadata.set(user, { plan: 'pro', tenant: 7 }, operator)).ok).toBe(true)
    const s = await signInTo(new Browser(portal), app, user, { scope: 'openid profile' })
    const id = decodeJwt(s.json.id_token)
    expect(id).toMatchObject({ sub: user, plan: 'pro', tenant: { id: 7, region: 'eu' } })
    // Standard claims are where they were.
    expect(id).not.toHaveProperty('name')
    expect((await userinfo(portal, s.json.access_token)).json).toMatchObject({
      sub: user,
      name: 'Ada Lovelace',
      plan: 'pro',
      tenant: { id: 7, region: 'eu' },
    })
    expect((await userinfo(portal, s.json.access_token)).json).not.toHaveProperty('https://example.com/mail')

    // What changes is there from the next request on.
    await users.metadata.set(user, { plan: 'team' }, operator)
    expect((await userinfo(portal, s.json.access_token)).json).toMatchObject({
      plan: 'team',
      tenant: { region: 'eu' },
    })
    const again = await refresh(portal, app, s.json.refresh_token)
    expect(decodeJwt(again.json.id_token)).toMatchObject({ plan: 'team', tenant: { region: 'eu' } })
    const lean = await signInTo(new Browser(portal), app, user, { scope: 'openid' })
    expect(decodeJwt(lean.json.id_token)).not.toHaveProperty('plan')
    const other = await signInTo(new Browser(portal), await newApp(), user)
    expect(Object.keys((await userinfo(portal, other.json.access_token)).json)).not.toContain('tenant')

    await oidc.clients.setClaims(app.clientId, [])
    expect((await userinfo(portal, again.json.access_token)).json).not.toHaveProperty('tenant')
    const row = await findClient(app.clientId)
    expect(row?.settings).not.toHaveProperty('claims')
  })

  it('a Hasura app gets what Hasura documents, for people, guests and after roles changed', async () => {
    const app = await newApp({ guests: true })
    await oidc.clients.setClaims(app.clientId, TEMPLATES.hasura)
    const user = await newUser(stores.sql)
    await users.changeRoles(user, { roles: ['author'], defaultRole: 'editor' }, operator)
    const s = await signInTo(new Browser(portal), app, user, { scope: 'openid' })
    for (const token of [decodeJwt(s.json.id_token), (await userinfo(portal, s.json.access_token)).json]) {
      expect(hasuraTrouble(token)).toBeNull()
      expect(token[NAMESPACE]).toEqual({
        'x-hasura-allowed-roles': ['author', 'editor'],
        'x-hasura-default-role': 'editor',
        'x-hasura-user-id': user,
        'x-hasura-user-is-anonymous': 'false',
      })
    }
    const row = await findClient(app.clientId)
    if (!row) throw new Error('no app')
    expect(hasuraTrouble(await mappedClaims(row, user, 'access_token', new Set()))).toBeNull()

    const browser = new Browser(portal)
    const asked = ask(portal, app, { scope: 'openid' })
    const at = await browser.allow(await browser.asGuest(await browser.go(asked.url)))
    const { json } = await redeem(portal, app, at.url.searchParams.get('code') ?? '', asked.verifier)
    const guest = decodeJwt(json.id_token)
    expect(hasuraTrouble(guest)).toBeNull()
    expect(guest[NAMESPACE]).toMatchObject({
      'x-hasura-default-role': 'anonymous',
      'x-hasura-user-is-anonymous': 'true',
    })
  })

  it('the preview says what a real sign-in gets, and leaves nothing but who looked', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    await oidc.clients.setClaims(app.clientId, [
      ...TEMPLATES.hasura,
      { name: 'both', scope: 'profile', value: '{{email}}' },
    ])
    const count = 'SELECT (SELECT count(*) FROM grants)::int g, (SELECT count(*) FROM events)::int e'
    const [before] = (await stores.sql(count)).rows
    const by = { actor: 'admin:0b1c', caller: testCaller() }
    const preview = await oidc.clients.previewClaims(app.clientId, user, by)
    const [after] = (await stores.sql(count)).rows
    expect(after).toEqual({ g: before.g, e: before.e + 1 })
    expect((await audit.list(user, { limit: 1 })).items[0]).toMatchObject({
      type: 'claims.previewed',
      clientId: app.clientId,
      actor: 'admin:0b1c',
      // The person reads it, and need not learn where operators sit.
      ip: null,
      userAgent: null,
    })
    const scopes = 'openid profile email phone roles'
    const s = await signInTo(new Browser(portal), app, user, { scope: scopes })
    const [id, info] = [decodeJwt(s.json.id_token), (await userinfo(portal, s.json.access_token)).json]
    const all = (of: 'idToken' | 'userinfo') =>
      Object.assign({}, ...(preview?.scopes ?? []).map((one) => one[of]))
    expect(all('userinfo')).toEqual(info)
    const session = ['acr', 'amr', 'auth_time', 'sid', 'iss', 'aud', 'exp', 'iat', 'nonce', 'at_hash']
    expect(all('idToken')).toEqual(
      Object.fromEntries(Object.entries(id).filter(([name]) => !session.includes(name))),
    )
    expect(preview?.scopes.find(({ scope }) => scope.includes(' '))?.userinfo).toEqual({ both: info.both })
    expect(await oidc.clients.previewClaims('no-such-app', user, by)).toBeNull()
    expect(await oidc.clients.previewClaims(app.clientId, 'nobody', by)).toBeNull()
  })

  it('what operators keep about a user is an object of bounded size that the database can keep', async () => {
    const user = await newUser(stores.sql)
    for (const bad of [
      null,
      [],
      'x',
      7,
      { a: '\u0000' },
      { a: '\ud800' },
      { a: 'x'.repeat(16_400) },
      deep(9),
    ])
      expect(await users.metadata.set(user, bad, operator)).toMatchObject({
        refusal: { code: 'invalid_input' },
      })
    expect(await users.metadata.set('nobody', {}, operator)).toMatchObject({ refusal: { code: 'not_found' } })
    expect(await users.metadata.get(user)).toEqual({})
    expect(await users.changeRoles(user, { roles: ['no role'] }, operator)).toMatchObject({ ok: false })
    await users.changeRoles(user, { roles: ['a', 'b'] }, operator)
    await users.changeRoles(user, { roles: ['b'], defaultRole: 'c' }, operator)
    expect(await users.get(user)).toMatchObject({ roles: ['b', 'c'], defaultRole: 'c' })
  })
})

const deep = (levels: number): object => (levels === 0 ? {} : { a: deep(levels - 1) })
