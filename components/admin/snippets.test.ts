/** The code that is shown for pasting, pasted: run against the provider with the libraries as they are. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { transformSync } from 'esbuild'
import { exportJWK, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import * as oidc from '@/lib/oidc'
import { Browser, type Portal, startPortal } from '@/lib/oidc/testing/harness'
import { startNextAuth } from '@/lib/oidc/testing/next-auth'
import { newUser } from '@/lib/oidc/testing/people'
import { useStores } from '@/lib/testing'
import { freePort } from '../../scripts/free-port.mjs'
import { type Library, type SnippetApp, snippetsFor } from './snippets'

const ROOT = path.resolve(import.meta.dirname, '../..')
// biome-ignore lint/correctness/useHookAtTopLevel: no hook of React
const stores = useStores()
let portal: Portal
let user: string
let folder: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  // Below the project, where the libraries are found.
  mkdirSync(path.join(ROOT, 'node_modules/.cache'), { recursive: true })
  folder = mkdtempSync(path.join(ROOT, 'node_modules/.cache/snippet-'))
  return async () => {
    rmSync(folder, { recursive: true, force: true })
    await portal.stop()
  }
})

async function walk(start: URL): Promise<URL> {
  const browser = new Browser(portal)
  let at = await browser.go(start)
  if (at.url.pathname === '/signin/start') at = await browser.signIn(user, at)
  if (at.url.pathname === '/consent') at = await browser.allow(at)
  return at.url
}

async function registered(input: Partial<oidc.NewClient>) {
  const made = await oidc.clients.add({ name: 'Pasted', ...input })
  if (!made.ok) throw new Error(JSON.stringify(made.refusal))
  const client = await oidc.clients.get(made.value.clientId)
  if (!client) throw new Error('no such app')
  return { client, secret: made.value.clientSecret ?? '' }
}

function fileOf(app: SnippetApp, library: Library, ending: string): string {
  const snippet = snippetsFor(app, portal.issuer).find((one) => one.library === library)
  const file = snippet?.files.find(({ name }) => name.endsWith(ending))
  if (!file) throw new Error(`no ${library} for this app`)
  return file.text
}

/** Runs the app as the snippet says, with the secrets that only its developer has, and signs a person in to it. */
async function runApp(name: string, app: SnippetApp, origin: string, secrets: Record<string, string>) {
  const at = path.join(folder, name)
  mkdirSync(at)
  writeFileSync(path.join(at, '.env'), fileOf(app, 'openid-client', '.env'))
  writeFileSync(path.join(at, 'app.mjs'), fileOf(app, 'openid-client', 'app.mjs'))
  const child = spawn(process.execPath, ['--env-file=.env', 'app.mjs'], {
    cwd: at,
    env: { PATH: process.env.PATH, NODE_ENV: 'test', ...secrets },
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  try {
    await expect
      .poll(() =>
        child.exitCode === null
          ? fetch(origin).then(
              (r) => r.ok,
              () => false,
            )
          : said,
      )
      .toBe(true)
    let cookie = ''
    const ask = async (target: string | URL) => {
      const res = await fetch(new URL(target, origin), { headers: { cookie }, redirect: 'manual' })
      cookie = res.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
      return { location: res.headers.get('location') ?? '', body: await res.text() }
    }
    const begun = await ask('/login')
    const back = await ask(await walk(new URL(begun.location)))
    expect([back.location, back.body, said]).toEqual(['/', '', ''])
    const { body } = await ask('/')
    return { user: JSON.parse(body), signOut: (await ask('/logout')).location }
  } finally {
    child.kill()
  }
}

describe('openid-client', () => {
  it.each<[string, Partial<oidc.NewClient>]>([
    ['basic', { authMethod: 'client_secret_basic' }],
    ['post-par', { authMethod: 'client_secret_post', security: 'par', idTokenAlg: 'RS256' }],
    ['native', { authMethod: 'none', native: true, idTokenAlg: 'EdDSA' }],
    ['fapi2', { authMethod: 'private_key_jwt', security: 'fapi2' }],
  ])('what_is_shown_for_pasting_signs_people_in: %s', async (name, input) => {
    const origin = `http://localhost:${await freePort()}`
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    const key = input.authMethod === 'private_key_jwt'
    const { client, secret } = await registered({
      ...input,
      redirectUris: [`${origin}/with?a=query`, `${origin}/signed/in`],
      postLogoutRedirectUris: [`${origin}/`],
      ...(key && { jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] } }),
    })
    const secrets = {
      ...(secret && { CLIENT_SECRET: secret }),
      ...(key && { PRIVATE_JWK: JSON.stringify({ ...(await exportJWK(privateKey)), kid: 'one' }) }),
    }
    const { user: known, signOut } = await runApp(name, client, origin, secrets)
    expect(known).toMatchObject({ sub: user, name: 'Ada Lovelace' })
    expect(new URL(signOut).searchParams.get('post_logout_redirect_uri')).toBe(`${origin}/`)
  })
})

describe('next-auth', () => {
  it.each<[string, Partial<oidc.NewClient>]>([
    ['as the README registers it', { idTokenAlg: 'RS256', claimsInIdToken: true }],
    ['as apps are by default', {}],
    ['with its secret in the form', { authMethod: 'client_secret_post' }],
  ])('what_is_shown_for_pasting_signs_people_in: %s', async (_, input) => {
    const port = await freePort()
    const { client, secret } = await registered({
      ...input,
      redirectUris: [`http://127.0.0.1:${port}/api/auth/callback/house`],
    })
    const { code } = transformSync(fileOf(client, 'next-auth', 'route.ts'), { loader: 'ts', format: 'cjs' })
    const exported = { exports: {} as { GET?: object } }
    const environment = { ISSUER: portal.issuer, CLIENT_ID: client.clientId, CLIENT_SECRET: secret }
    new Function('require', 'module', 'process', code)(
      () => ({ __esModule: true, default: (options: object) => options }),
      exported,
      { env: environment },
    )
    const app = await startNextAuth(port, () => ({ ...exported.exports.GET, secret: 'next-auth-secret' }))
    try {
      expect(await app.signIn('house', walk)).toMatchObject({ name: 'Ada Lovelace' })
    } finally {
      app.close()
    }
  })
})

describe('what is offered', () => {
  const base = {
    clientId: 'my-app',
    redirectUris: ['https://app.example.com/cb'],
    postLogoutRedirectUris: [],
    authMethod: 'client_secret_basic',
    grants: ['authorization_code', 'refresh_token'],
    security: 'standard' as const,
    certificateBound: false,
    native: false,
    signedRequests: false,
    idTokenAlg: 'ES256',
    idTokenEncryption: null,
    userinfoEncryption: null,
    claimsInIdToken: false,
    resources: [],
    serves: [],
    personalTokens: false,
  } satisfies SnippetApp
  const libraries = (app: Partial<SnippetApp>) =>
    snippetsFor({ ...base, ...app }, 'https://id.example.com/oidc').map(({ library }) => library)

  it('is what fits the app as it is registered', () => {
    expect(libraries({})).toEqual(['next-auth', 'openid-client'])
    expect(libraries({ authMethod: 'none' })).toEqual(['oidc-client-ts'])
    expect(libraries({ authMethod: 'none', native: true, redirectUris: ['com.example.app:/cb'] })).toEqual([])
    expect(libraries({ security: 'dpop' })).toEqual(['openid-client'])
    expect(libraries({ authMethod: 'none', security: 'dpop' })).toEqual([])
    expect(libraries({ signedRequests: true, authMethod: 'private_key_jwt' })).toEqual([])
    expect(libraries({ certificateBound: true })).toEqual([])
    expect(libraries({ authMethod: 'tls_client_auth' })).toEqual([])
    expect(libraries({ userinfoEncryption: 'ECDH-ES' })).toEqual([])
    expect(libraries({ grants: ['client_credentials'], redirectUris: [] })).toEqual(['curl'])
    expect(libraries({ grants: [], redirectUris: [], serves: ['https://api.example.com'] })).toEqual(['curl'])
    expect(libraries({ grants: [], redirectUris: [], personalTokens: true })).toEqual(['curl'])
  })

  it('names the redirect URI that next-auth comes back to where it is not registered', () => {
    const [first] = snippetsFor(base, 'https://id.example.com/oidc')
    expect(first?.missing).toBe('https://app.example.com/api/auth/callback/gatehouse')
  })

  it('no_value_of_an_app_gets_out_of_its_quotes', () => {
    const evil = `https://app.example.com/'\`\${process.exit(1)}\\`
    const app: SnippetApp = {
      ...base,
      redirectUris: [evil],
      postLogoutRedirectUris: [evil],
      grants: [...base.grants, 'client_credentials'],
      resources: [{ resource: evil, scopes: ["o'range"] }],
      serves: [],
    }
    const text = (more: Partial<SnippetApp>, library: Library, at: number) =>
      snippetsFor({ ...app, ...more }, 'https://id.example.com/oidc').find((one) => one.library === library)
        ?.files[at]?.text ?? ''
    const said = (code: string, before: RegExp) => new Function(`return ${before.exec(code)?.[1]}`)()
    const node = text({}, 'openid-client', 2)
    expect(said(node, /REDIRECT_URI = (.*)\n/)).toBe(evil)
    expect(said(node, /post_logout_redirect_uri: (.*) }\n/)).toBe(evil)
    const spa = text({ authMethod: 'none', grants: base.grants }, 'oidc-client-ts', 1)
    expect(said(spa, / redirect_uri: (.*),\n/)).toBe(evil)
    const command = text({ clientId: "a'b" }, 'curl', 0).replace(/^curl/, "printf '%s\\n'")
    const { stdout } = spawnSync('sh', ['-c', command], {
      env: { PATH: process.env.PATH, NODE_ENV: 'test', CLIENT_SECRET: 'kept apart' },
    })
    expect(stdout.toString().split('\n')).toEqual(
      expect.arrayContaining(["a'b:kept apart", `resource=${evil}`, "scope=o'range"]),
    )
  })
})

/** One source: what the README shows for an example app is what the administration shows for it. */
describe('README', () => {
  const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8')
  const example: SnippetApp = {
    clientId: 'my-app',
    redirectUris: ['http://localhost:8080/callback'],
    postLogoutRedirectUris: ['http://localhost:8080/'],
    authMethod: 'client_secret_basic',
    grants: ['authorization_code', 'refresh_token'],
    security: 'standard',
    certificateBound: false,
    native: false,
    signedRequests: false,
    idTokenAlg: 'ES256',
    idTokenEncryption: null,
    userinfoEncryption: null,
    claimsInIdToken: false,
    resources: [],
    serves: [],
    personalTokens: false,
  }
  const nextJs: SnippetApp = {
    ...example,
    clientId: 'my-next-app',
    redirectUris: ['http://localhost:3002/api/auth/callback/gatehouse'],
    idTokenAlg: 'RS256',
    claimsInIdToken: true,
  }
  it.each<[Library, SnippetApp]>([
    ['openid-client', example],
    ['next-auth', nextJs],
  ])('shows the %s of the administration', (library, app) => {
    const snippet = snippetsFor(app, 'http://localhost:3000/oidc').find((one) => one.library === library)
    for (const { text } of snippet?.files ?? []) expect(readme).toContain(`\n${text}\`\`\``)
  })
})
