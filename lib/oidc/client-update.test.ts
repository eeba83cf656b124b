/** Changing what an app is registered with: one judgement for new apps and changed ones, under a lock. */
import { beforeAll, describe, expect, it } from 'vitest'
import { useStores } from '../testing'
import { newClientSchema, registered } from './client-metadata'
import * as oidc from './index'
import { findClient } from './store-registry'
import { ask, call, newApp } from './testing/app'
import { type Portal, startPortal } from './testing/harness'

const stores = useStores()
let portal: Portal

beforeAll(async () => {
  portal = await startPortal()
  return () => portal.stop()
})

const get = async (id: string) => {
  const found = await oidc.clients.get(id)
  if (!found) throw new Error('no such app')
  return found
}

const ALL = {
  name: 'Everything',
  redirectUris: ['https://app.example.com/cb', 'https://app.example.com/two'],
  postLogoutRedirectUris: ['https://app.example.com/bye'],
  backchannelLogoutUri: 'https://app.example.com/back',
  backchannelLogoutSessionRequired: true,
  frontchannelLogoutUri: 'https://app.example.com/front',
  frontchannelLogoutSessionRequired: true,
  authMethod: 'client_secret_post',
  grants: ['authorization_code'],
  firstParty: true,
  pkce: false,
  native: true,
  idTokenAlg: 'RS256',
  idTokenEncryption: 'ECDH-ES',
  userinfoEncryption: 'RSA-OAEP-256',
  introspectionAlg: 'EdDSA',
  claimsInIdToken: true,
  acr: 'aal1',
  guests: true,
  claims: [{ name: 'plan', scope: 'profile', value: '{{metadata.plan | default:free}}' }],
  providerTokens: ['acme'],
  personalTokens: true,
  testClient: true,
  security: 'standard',
  jwksUri: 'https://app.example.com/jwks',
  sessionIdleMinutes: 5,
  sessionMaxMinutes: 60,
  logoUri: 'https://app.example.com/logo.png',
  clientUri: 'https://app.example.com/',
  policyUri: 'https://app.example.com/policy',
  tosUri: 'https://app.example.com/terms',
  supportUri: 'https://app.example.com/help',
  brandColor: '#00aa88',
  welcomeEn: 'Good to see you',
  welcomeDe: 'Schön, dass Sie da sind',
} satisfies oidc.ClientChanges

describe('one judgement', () => {
  it('whatever_can_be_registered_is_read_back_whole_and_can_be_changed', async () => {
    const made = await newApp(ALL)
    const row = await findClient(made.clientId)
    if (!row) throw new Error('no such app')
    const names = Object.keys(newClientSchema.shape).filter((name) => name !== 'clientId')
    expect(Object.keys(registered(row)).sort()).toEqual(names.sort())
    expect(newClientSchema.parse(registered(row))).toMatchObject(ALL)

    const changed = await newApp()
    expect(await oidc.clients.update(changed.clientId, ALL)).toMatchObject({ ok: true })
    const strip = ({ clientId, version, createdAt, secrets, ...rest }: oidc.ClientView) => rest
    expect(strip(await get(changed.clientId))).toEqual(strip(await get(made.clientId)))
  })

  it('what_no_new_app_may_have_no_change_brings', async () => {
    const app = await newApp({ authMethod: 'none' })
    const secretive = await newApp({ postLogoutRedirectUris: ['https://app.example.com/'] })
    const before = [await get(app.clientId), await get(secretive.clientId)]
    for (const [changes, field, words] of [
      [{ redirectUris: ['http://evil.example.com/'] }, 'redirectUris', 'must be https'],
      [{ redirectUris: ['https://*.example.com/'] }, 'redirectUris', 'wildcard'],
      [{ redirectUris: [] }, 'redirectUris', 'at least one address'],
      [{ postLogoutRedirectUris: ['javascript:alert(1)'] }, 'postLogoutRedirectUris', 'javascript:'],
      [{ frontchannelLogoutUri: 'https://other.example.com/' }, 'frontchannelLogoutUri', 'same origin'],
      [{ backchannelLogoutUri: 'https://a.example.com/#x' }, 'backchannelLogoutUri', 'fragment'],
      [{ logoUri: 'javascript:alert(1)' }, 'logoUri', 'must be https'],
      [{ supportUri: 'javascript:alert(1)' }, 'supportUri', 'must be https'],
      [{ brandColor: 'red}body{display:none' }, 'brandColor', 'colour'],
      [{ brandColor: '#12345' }, 'brandColor', 'colour'],
      [{ welcomeEn: 'x'.repeat(161) }, 'welcomeEn', 'at most 160'],
      [{ welcomeDe: 'two\nlines' }, 'welcomeDe', 'plain text'],
      [{ welcomeEn: 'turned \u202e round' }, 'welcomeEn', 'plain text'],
      [{ pkce: false }, 'pkce', 'secret'],
      [{ grants: ['client_credentials'] }, 'grants', 'secret'],
      [{ providerTokens: ['acme'] }, 'providerTokens', 'secret'],
      [{ acr: 'aal2', guests: true }, 'guests', 'two factors'],
      [{ entryRoles: ['staff'], guests: true }, 'guests', 'roles or e-mail domains'],
      [{ entryRoles: ['all staff'] }, 'entryRoles', 'names of roles'],
      [{ entryDomains: ['ada@example.com'] }, 'entryDomains', 'such as example.com'],
      [{ name: ' ' }, 'name', 'empty'],
      [{ sessionMaxMinutes: 0 }, 'sessionMaxMinutes', 'at least 1'],
      [{ resources: [{ resource: 'https://nobody.example.com' }] }, 'resources', 'no API'],
    ] as [oidc.ClientChanges, string, string][]) {
      expect(await oidc.clients.update(app.clientId, changes), field).toMatchObject({
        ok: false,
        refusal: { field, values: { message: expect.stringContaining(words) } },
      })
    }
    // Judged together with what is there already, whichever of the two is changed.
    expect(await oidc.clients.update(secretive.clientId, { pkce: false })).toMatchObject({ ok: true })
    expect(await oidc.clients.update(secretive.clientId, { authMethod: 'none' })).toMatchObject({
      refusal: { field: 'pkce' },
    })
    expect(await oidc.clients.update(secretive.clientId, { pkce: true })).toMatchObject({ ok: true })
    expect([await get(app.clientId), await get(secretive.clientId)]).toEqual(before)
    expect(await oidc.clients.update('nobody', { name: 'X' })).toMatchObject({
      refusal: { code: 'not_found' },
    })
  })

  it('people_do_not_become_strangers_to_a_pairwise_app', async () => {
    const made = await newApp({ redirectUris: ['https://one.example.com/cb'], pairwise: true })
    const moved = await oidc.clients.update(made.clientId, { redirectUris: ['https://two.example.com/cb'] })
    expect(moved).toMatchObject({ ok: false, refusal: { field: 'redirectUris' } })
    const within = { redirectUris: ['https://one.example.com/other'] }
    expect((await oidc.clients.update(made.clientId, within)).ok).toBe(true)
    const public_ = await oidc.clients.update(made.clientId, { pairwise: false } as oidc.ClientChanges)
    expect(public_.ok).toBe(false)
  })

  it('null_takes_away_what_an_app_may_be_without_and_leaves_the_rest', async () => {
    const app = await newApp(ALL)
    await oidc.clients.setClaims(app.clientId, [{ name: 'plan', scope: 'profile', value: 'free' }])
    const gone = {
      backchannelLogoutUri: null,
      frontchannelLogoutUri: null,
      sessionIdleMinutes: null,
      sessionMaxMinutes: null,
      logoUri: null,
      clientUri: null,
      policyUri: null,
      tosUri: null,
      supportUri: null,
      brandColor: null,
      welcomeEn: null,
      welcomeDe: null,
    }
    expect(await oidc.clients.update(app.clientId, gone)).toMatchObject({ ok: true })
    expect(await get(app.clientId)).toMatchObject({
      ...gone,
      name: 'Everything',
      redirectUris: ALL.redirectUris,
      guests: true,
      claims: [{ name: 'plan' }],
    })
  })

  it('guests_wait_while_two_factors_are_asked_for_and_may_come_again_after', async () => {
    const app = await newApp({ guests: true })
    expect(await oidc.clients.update(app.clientId, { acr: 'aal2' })).toMatchObject({ ok: true })
    expect(await oidc.clients.update(app.clientId, { name: 'Still' })).toMatchObject({ ok: true })
    expect(await get(app.clientId)).toMatchObject({ acr: 'aal2', guests: true, name: 'Still' })
    expect(await oidc.clients.update(app.clientId, { acr: 'aal1' })).toMatchObject({ ok: true })
    expect(await get(app.clientId)).toMatchObject({ acr: 'aal1', guests: true })
  })
})

describe('what a change does', () => {
  it('a_redirect_uri_that_was_taken_away_gets_nothing_from_the_next_request_on', async () => {
    const app = await newApp({ redirectUris: ['https://old.example.com/cb'] })
    const at = async (uri: string) => {
      const { url } = ask(portal, { ...app, redirectUri: uri })
      const answer = await fetch(url, { redirect: 'manual' })
      return answer.status
    }
    expect([await at('https://old.example.com/cb'), await at('https://new.example.com/cb')]).toEqual([
      303, 400,
    ])
    await oidc.clients.update(app.clientId, { redirectUris: ['https://new.example.com/cb'] })
    expect([await at('https://old.example.com/cb'), await at('https://new.example.com/cb')]).toEqual([
      400, 303,
    ])
  })

  it('an_app_that_is_to_have_no_secret_loses_those_it_had', async () => {
    const app = await newApp()
    const probe = (secret: string | undefined) =>
      call(portal, '/introspection', { ...app, clientSecret: secret }, { token: 'x' })
    expect((await probe(app.clientSecret)).status).toBe(200)
    await oidc.clients.update(app.clientId, { authMethod: 'none' })
    expect((await probe(app.clientSecret)).status).toBe(401)
    // Back again it does not come to life: there is a new one or none.
    await oidc.clients.update(app.clientId, { authMethod: 'client_secret_basic' })
    expect((await probe(app.clientSecret)).status).toBe(401)
    const rotated = await oidc.clients.rotateSecret(app.clientId)
    if (!rotated.ok) throw new Error('not rotated')
    expect((await probe(rotated.value.clientSecret)).status).toBe(200)
  })

  it.each(['\u001b[2J', 'Bank\u202e', 'two\nlines'])(
    'a_name_that_a_terminal_or_a_page_would_obey_is_refused: %j',
    async (name) => {
      const added = await oidc.clients.add({ name: `x${name}x`, redirectUris: ['https://x.example.com/cb'] })
      expect(added).toMatchObject({ ok: false, refusal: { field: 'name' } })
    },
  )

  it('of_ten_changes_at_once_none_undoes_another', async () => {
    const app = await newApp()
    const changes: oidc.ClientChanges[] = [
      { name: 'Together' },
      { firstParty: true },
      { logoUri: 'https://app.example.com/l.png' },
      { clientUri: 'https://app.example.com/' },
      { policyUri: 'https://app.example.com/p' },
      { tosUri: 'https://app.example.com/t' },
      { acr: 'aal2' },
      { sessionMaxMinutes: 7 },
      { claimsInIdToken: true },
      { redirectUris: ['https://app.example.com/cb'] },
    ]
    const done = await Promise.all(changes.map((one) => oidc.clients.update(app.clientId, one)))
    expect(done.every(({ ok }) => ok)).toBe(true)
    expect(await get(app.clientId)).toMatchObject(Object.assign({}, ...changes))
  })

  it('two_changes_at_once_that_cannot_both_be_are_not_both_made', async () => {
    for (let round = 0; round < 5; round++) {
      const app = await newApp()
      const done = await Promise.all([
        oidc.clients.update(app.clientId, { pkce: false }),
        oidc.clients.update(app.clientId, { authMethod: 'none' }),
      ])
      expect(done.filter(({ ok }) => ok)).toHaveLength(1)
    }
  })

  it('stands in the history with who did it and what', async () => {
    const app = await newApp()
    await oidc.clients.update(app.clientId, { name: 'Told', logoUri: undefined }, { actor: 'user:x' })
    const { rows } = await stores.sql(
      `SELECT actor, data FROM events WHERE client_id = $1 AND type = 'client.updated'`,
      [app.clientId],
    )
    expect(rows).toEqual([{ actor: 'user:x', data: { name: 'Told' } }])
  })
})

describe('looking for one', () => {
  it('search_goes_by_name_and_id_and_pages_through_all_once', async () => {
    const ids: string[] = []
    for (let i = 0; i < 7; i++) ids.push((await newApp({ name: `Needle 100%_${i}` })).clientId)
    await stores.sql('UPDATE clients SET created_at = now() WHERE id = ANY($1)', [ids])
    const seen: string[] = []
    for (let after: { at: number; id: string } | null = null; ; ) {
      const page = await oidc.clients.search({ text: 'needle 100%_', after, limit: 3 })
      expect(page.clients.length).toBeLessThanOrEqual(3)
      seen.push(...page.clients.map(({ clientId }) => clientId))
      after = page.next
      if (!after) break
    }
    expect(seen.toSorted()).toEqual(ids.toSorted())
    const [first = ''] = ids
    expect((await oidc.clients.search({ text: first })).clients.map((c) => c.clientId)).toEqual([first])
    // What has a meaning to LIKE has none here.
    expect((await oidc.clients.search({ text: 'needle%4' })).clients).toEqual([])
    expect((await oidc.clients.search({ text: '\\' })).clients).toEqual([])
  })
})
