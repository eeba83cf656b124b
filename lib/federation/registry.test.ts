/** Providers by configuration: one that is wrong is left out with a sentence, and the others go on. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { readEnv } from '../base/env'
import { PROVIDER_SETTINGS } from '../base/env-federation'
import * as federation from './index'
import { configure } from './people.fixture'

const GOOGLE = { PROVIDER_GOOGLE_CLIENT_ID: 'id', PROVIDER_GOOGLE_CLIENT_SECRET: 'secret' }
const ids = () => federation.providers().map(({ id }) => id)

afterEach(() => configure({}))

describe('what is configured', () => {
  test('is nothing by default', () => {
    configure({})
    expect([federation.providers(), federation.problems()]).toEqual([[], []])
  })

  test('stands in the operator’s order, with the marks of the known ones', () => {
    configure({
      ...GOOGLE,
      PROVIDERS: 'acme, google,acme',
      PROVIDER_ACME_TYPE: 'oidc',
      PROVIDER_ACME_NAME: 'Acme staff',
      PROVIDER_ACME_ISSUER: 'https://login.acme.example',
      PROVIDER_ACME_CLIENT_ID: 'id',
      PROVIDER_ACME_CLIENT_SECRET: 'secret',
      PROVIDER_ACME_SIGN_UP: 'off',
    })
    expect(federation.problems()).toEqual([])
    expect(federation.providers()).toEqual([
      {
        id: 'acme',
        name: 'Acme staff',
        kind: 'oidc',
        brand: null,
        signUp: false,
        logout: true,
        keepsTokens: false,
      },
      {
        id: 'google',
        name: 'Google',
        kind: 'oidc',
        brand: 'google',
        signUp: true,
        logout: false,
        keepsTokens: false,
      },
    ])
    expect(federation.provider('acme')?.name).toBe('Acme staff')
    expect(federation.provider('nobody')).toBeNull()
  })

  test('may be two of one kind, and secrets may be files', () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'gatehouse-')), 'secret')
    writeFileSync(file, 'from-a-file\n')
    configure({
      ...GOOGLE,
      PROVIDERS: 'google,google-work',
      PROVIDER_GOOGLE_WORK_TYPE: 'google',
      PROVIDER_GOOGLE_WORK_CLIENT_ID: 'id',
      PROVIDER_GOOGLE_WORK_CLIENT_SECRET_FILE: file,
      PROVIDER_GOOGLE_WORK_TENANTS: 'example.com',
    })
    expect(federation.problems()).toEqual([])
    expect(ids()).toEqual(['google', 'google-work'])
  })

  test.each<[string, Record<string, string>, string]>([
    ['nothing of it', { PROVIDERS: 'github' }, 'PROVIDER_GITHUB_CLIENT_ID is not set'],
    [
      'no secret',
      { PROVIDERS: 'github', PROVIDER_GITHUB_CLIENT_ID: 'x' },
      'PROVIDER_GITHUB_CLIENT_SECRET is not set',
    ],
    ['a name that is none', { PROVIDERS: 'Git Hub' }, 'PROVIDERS must list names'],
    [
      'a misspelt setting',
      { PROVIDERS: 'github', PROVIDER_GITHUB_CLIENTID: 'x' },
      'PROVIDER_GITHUB_CLIENTID is not known',
    ],
    [
      'an unknown kind',
      { PROVIDERS: 'acme', PROVIDER_ACME_CLIENT_ID: 'x', PROVIDER_ACME_CLIENT_SECRET: 'y' },
      'PROVIDER_ACME_TYPE must be',
    ],
    [
      'credentials',
      {
        PROVIDERS: 'credentials',
        PROVIDER_CREDENTIALS_CLIENT_ID: 'x',
        PROVIDER_CREDENTIALS_CLIENT_SECRET: 'y',
      },
      'PROVIDER_CREDENTIALS_TYPE must be',
    ],
    [
      'mail links',
      { PROVIDERS: 'email', PROVIDER_EMAIL_CLIENT_ID: 'x', PROVIDER_EMAIL_CLIENT_SECRET: 'y' },
      'PROVIDER_EMAIL_TYPE must be',
    ],
    [
      'no issuer',
      { PROVIDERS: 'okta', PROVIDER_OKTA_CLIENT_ID: 'x', PROVIDER_OKTA_CLIENT_SECRET: 'y' },
      'PROVIDER_OKTA_ISSUER is not set',
    ],
    [
      'plain http',
      { PROVIDERS: 'acme', PROVIDER_ACME_TYPE: 'oidc', PROVIDER_ACME_ISSUER: 'http://acme.example' },
      'PROVIDER_ACME_ISSUER must be an https URL',
    ],
    [
      'what is another kind’s',
      { ...GOOGLE, PROVIDERS: 'google', PROVIDER_GOOGLE_TEAM_ID: 'AAAAAAAAAA' },
      'PROVIDER_GOOGLE_TEAM_ID is for apple only',
    ],
    [
      'a wrong map',
      { ...GOOGLE, PROVIDERS: 'google', PROVIDER_GOOGLE_MAP: 'userId=sub' },
      'PROVIDER_GOOGLE_MAP must be',
    ],
    [
      'wrong roles',
      { ...GOOGLE, PROVIDERS: 'google', PROVIDER_GOOGLE_ROLES: 'admin' },
      'PROVIDER_GOOGLE_ROLES must be',
    ],
    [
      'a key that is none',
      { PROVIDERS: 'apple', PROVIDER_APPLE_PRIVATE_KEY: 'x' },
      'PROVIDER_APPLE_PRIVATE_KEY must be the key',
    ],
    [
      'a file that is not there',
      { PROVIDERS: 'google', PROVIDER_GOOGLE_CLIENT_ID: 'x', PROVIDER_GOOGLE_CLIENT_SECRET_FILE: '/nowhere' },
      'PROVIDER_GOOGLE_CLIENT_SECRET_FILE names a file that cannot be read',
    ],
  ])('with %s it is refused by a sentence that names the variable, and alone', (_, variables, sentence) => {
    const good = {
      PROVIDER_FINE_TYPE: 'oidc',
      PROVIDER_FINE_ISSUER: 'https://fine.example',
      PROVIDER_FINE_CLIENT_ID: 'x',
      PROVIDER_FINE_CLIENT_SECRET: 'y',
    }
    configure({ ...variables, ...good, PROVIDERS: `${variables.PROVIDERS},fine` })
    expect(federation.problems().join('\n')).toContain(sentence)
    for (const problem of federation.problems()) expect(problem).toMatch(/^PROVIDER.*\.$/)
    expect(ids()).toEqual(['fine'])
  })

  test('a secret is in no sentence', () => {
    configure({
      PROVIDERS: 'apple',
      PROVIDER_APPLE_PRIVATE_KEY: 'canary',
      PROVIDER_APPLE_CLIENT_SECRET: 'canary',
    })
    expect(federation.problems().join()).not.toContain('canary')
    expect(() => readEnv(process.env)).not.toThrow()
  })

  test('every setting is one that the documents can name', () => {
    expect(PROVIDER_SETTINGS).toContain('CLIENT_ID')
    expect(new Set(PROVIDER_SETTINGS).size).toBe(PROVIDER_SETTINGS.length)
  })
})
