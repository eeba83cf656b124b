/** The forms of the administration against the command line and the registration itself: neither may know more. */
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { clientCommands } from '@/lib/cli/client'
import { newClientSchema, registered, toMetadata } from '@/lib/oidc/client-metadata'
import { canChange } from '@/lib/oidc/client-registry'
import { view } from '@/lib/oidc/client-view'
import type { ClientRow } from '@/lib/oidc/store-registry'
import { LANGUAGES } from '@/lib/texts'
import { CHOICES, changesOf, FIELDS, valuesOf } from './client-fields'

/** Said when an app is registered, and never changed. */
const ONCE = ['clientId', 'pairwise']
/** These have a page and a command of their own. */
const ELSEWHERE = ['claims']
const names = FIELDS.map(([name]) => name as string)

/** What options are called that say one of many. */
const PLURALS: Record<string, string> = {
  id: 'clientId',
  grant: 'grants',
  redirectUri: 'redirectUris',
  postLogoutRedirectUri: 'postLogoutRedirectUris',
  resource: 'resources',
  entryRole: 'entryRoles',
  entryDomain: 'entryDomains',
}

function optionsOf(command: string): string[] {
  const root = new Command()
  clientCommands(root)
  const found = root.commands[0]?.commands.find((one) => one.name() === command)
  if (!found) throw new Error(`no command ${command}`)
  const said = found.options.map((option) => option.attributeName()).filter((name) => name !== 'json')
  return [...new Set(said.map((name) => PLURALS[name] ?? name))]
}

const rowOf = (input: Parameters<typeof newClientSchema.parse>[0]): ClientRow => {
  const client = newClientSchema.parse(input)
  const { name, firstParty, pkce } = client
  const row = { id: 'app', name, firstParty, requirePkce: pkce, createdAt: new Date(0), disabledAt: null }
  return { ...row, ...toMetadata(client), secrets: [] }
}

const EVERYTHING = {
  name: 'Everything',
  redirectUris: ['https://app.example.com/cb', 'com.example.app:/cb'],
  postLogoutRedirectUris: ['https://app.example.com/bye'],
  backchannelLogoutUri: 'https://app.example.com/back',
  backchannelLogoutSessionRequired: true,
  frontchannelLogoutUri: 'https://app.example.com/front',
  frontchannelLogoutSessionRequired: true,
  authMethod: 'private_key_jwt',
  jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'one' }] },
  security: 'fapi2',
  grants: ['authorization_code', 'refresh_token', 'client_credentials', 'device_code'],
  firstParty: true,
  native: true,
  signedRequests: true,
  idTokenAlg: 'EdDSA',
  claimsInIdToken: true,
  entryRoles: ['staff', 'admin'],
  entryDomains: ['example.com', '*.example.org'],
  providerTokens: ['acme', 'google'],
  personalTokens: true,
  resources: [
    { resource: 'https://a.example.com', scopes: ['read', 'write'] },
    { resource: 'https://b.example.com' },
  ],
  serves: ['https://a.example.com'],
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
}

describe('the form of an app', () => {
  it('whatever_the_command_line_can_set_of_an_app_has_a_field', () => {
    const update = optionsOf('update')
    expect(update.length).toBeGreaterThan(20)
    expect(update.filter((name) => !names.includes(name))).toEqual([])
    expect(optionsOf('add').filter((name) => ![...names, ...ONCE].includes(name))).toEqual([])
  })

  it('whatever_can_be_registered_has_a_field_and_nothing_else_has', () => {
    expect([...names, ...ONCE, ...ELSEWHERE].sort()).toEqual(Object.keys(newClientSchema.shape).sort())
  })

  it('offers the choices that there are', () => {
    for (const [name, offered] of Object.entries(CHOICES)) {
      const { innerType } = newClientSchema.shape[name as keyof typeof CHOICES].def
      expect([name, innerType.options]).toEqual([name, offered])
    }
  })

  it.each([
    ['one with everything', EVERYTHING],
    [
      'one with as little as may be',
      { name: 'Little', redirectUris: ['https://x.example.com/'], pkce: false },
    ],
    [
      'one with a certificate',
      {
        name: 'Machine',
        redirectUris: ['https://x.example.com/'],
        authMethod: 'tls_client_auth',
        certificateSubject: 'dn:CN=reports,O=Example',
        certificateBound: true,
      },
    ],
    ['one that takes guests', { name: 'Open', redirectUris: ['https://x.example.com/'], guests: true }],
    ['an API', { name: 'API', grants: [], serves: ['https://a.example.com'], redirectUris: [] }],
  ])('sent_as_it_is_drawn_it_changes_nothing: %s', (_, input) => {
    const row = rowOf(input as typeof EVERYTHING & { pkce: boolean })
    expect(changesOf(valuesOf(view(row)), view(row))).toEqual({ changes: {} })
    // What it shows is all of the app: sent for another one, it makes that one the same.
    const other = rowOf({ name: 'Other', redirectUris: ['https://other.example.com/'], guests: true })
    const said = changesOf(valuesOf(view(row)), view(other))
    if ('unreadable' in said) throw new Error(said.unreadable)
    const whole = Object.entries({ ...registered(other), ...said.changes }).filter(
      ([, value]) => value !== null,
    )
    const { clientId: _a, pairwise: _b, ...made } = newClientSchema.parse(Object.fromEntries(whole))
    const { clientId: _c, pairwise: _d, ...wanted } = newClientSchema.parse(registered(row))
    expect(made).toEqual(wanted)
  })

  it.each([
    ['two_factors', { acr: 'aal2' as const }],
    ['roles', { entryRoles: ['staff'] }],
    ['domains', { entryDomains: ['example.com'] }],
  ])('an_app_whose_guests_wait_for_%s_to_go_can_be_saved_as_it_is', (_, rule) => {
    const row = rowOf({ name: 'Waits', redirectUris: ['https://x.example.com/'], ...rule })
    row.settings.guests = true
    const said = changesOf(valuesOf(view(row)), view(row))
    expect(said).toEqual({ changes: {} })
    // Who ticks both at once says something new, and it is judged.
    const plain = view(rowOf({ name: 'Waits', redirectUris: ['https://x.example.com/'] }))
    const both = changesOf(valuesOf(view(row)), plain)
    expect(both).toMatchObject({ changes: { ...rule, guests: true } })
  })

  it('the_form_of_an_app_that_a_document_describes_has_what_can_be_set_of_it_alone', () => {
    const row = rowOf({ name: 'Agent', redirectUris: ['https://x.example.com/'], pkce: true })
    row.settings.registered = 'document'
    const had = view(row)
    const can = (name: string) => canChange(had, name)
    const shown = ['acr', 'entryRoles', 'entryDomains', 'sessionIdleMinutes', 'sessionMaxMinutes']
    expect(names.filter(can)).toEqual(shown)
    // What the form does not have is not taken for emptied.
    const typed = { acr: 'aal1', entryRoles: 'staff', entryDomains: '', sessionIdleMinutes: '' }
    expect(changesOf(typed, had, can)).toEqual({ changes: { entryRoles: ['staff'] } })
    expect(names.every((name) => canChange(view(rowOf(EVERYTHING)), name))).toBe(true)
  })

  it('has a line for every language that the pages speak', () => {
    const fields = LANGUAGES.map((tag) => `welcome${tag[0]?.toUpperCase()}${tag.slice(1)}`)
    expect(names.filter((name) => name.startsWith('welcome')).sort()).toEqual(fields.sort())
  })

  it('says which field cannot be read at all', () => {
    const had = view(rowOf({ name: 'X', redirectUris: ['https://x.example.com/'] }))
    expect(changesOf({ ...valuesOf(had), jwks: '{"keys": [' }, had)).toEqual({ unreadable: 'jwks' })
  })

  it('no_minutes_at_all_are_refused_and_not_taken_for_no_limit', () => {
    const had = view(rowOf({ name: 'X', redirectUris: ['https://x.example.com/'], sessionMaxMinutes: 15 }))
    const said = changesOf({ ...valuesOf(had), sessionMaxMinutes: '0' }, had)
    expect(said).toEqual({ changes: { sessionMaxMinutes: 0 } })
    expect(
      newClientSchema.safeParse({ ...registered(rowOf(EVERYTHING)), sessionMaxMinutes: 0 }).success,
    ).toBe(false)
  })
})
