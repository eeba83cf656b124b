/**
 * A page without a server of its own: oidc-client-ts as npm has it, in a real browser, at an origin of its own, by hand and
 * by the code that an app's page shows for pasting.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { buildSync } from 'esbuild'
import { gatehouse } from './command'
import { expect, fillSignIn, PORTAL, test } from './fixtures'
import { demoAdmin } from './people'

const library = readFileSync(
  path.join(
    path.dirname(createRequire(import.meta.url).resolve('oidc-client-ts/package.json')),
    'dist/browser/oidc-client-ts.min.js',
  ),
)

const page = (
  clientId: string,
  issuer: string,
): string => `<!doctype html><meta charset="utf-8"><title>App</title>
<button id="in">Sign in</button><button id="renew">Renew</button><button id="silent">Renew without a token</button>
<button id="out">Sign out</button><p id="who"></p><p id="token"></p><p id="state">starting</p>
<script src="/oidc-client-ts.js"></script>
<script>
  const manager = new oidc.UserManager({
    authority: ${JSON.stringify(issuer)}, client_id: ${JSON.stringify(clientId)}, redirect_uri: location.origin + '/callback',
    post_logout_redirect_uri: location.origin + '/', silent_redirect_uri: location.origin + '/silent',
    scope: 'openid profile email', loadUserInfo: true, automaticSilentRenew: false,
  })
  const show = (user, state) => {
    document.querySelector('#who').textContent = user ? user.profile.sub + ' ' + user.profile.email : 'nobody'
    document.querySelector('#token').textContent = user ? user.access_token : ''
    document.querySelector('#state').textContent = state
  }
  const on = (id, work) => {
    document.querySelector(id).onclick = () => {
      document.querySelector('#state').textContent = 'busy'
      work().catch((error) => show(null, error.error || error.message))
    }
  }
  on('#in', () => manager.signinRedirect())
  on('#renew', async () => show(await manager.signinSilent(), 'renewed'))
  on('#silent', async () => {
    const user = await manager.getUser()
    user.refresh_token = undefined
    await manager.storeUser(user)
    show(await manager.signinSilent(), 'renewed in a frame')
  })
  on('#out', () => manager.signoutRedirect())
  const begin = async () => {
    if (location.pathname === '/silent') return manager.signinSilentCallback()
    if (location.pathname === '/callback') {
      await manager.signinRedirectCallback()
      history.replaceState(null, '', '/')
    }
    show(await manager.getUser(), 'ready')
  }
  begin().catch((error) => show(null, error.message))
</script>`

/** An app's own page, which does with the pasted file what it says of itself. */
const pasted = `<!doctype html><meta charset="utf-8"><title>Pasted</title>
<button id="in">Sign in</button><button id="out">Sign out</button><p id="who"></p><p id="token"></p>
<script type="module" src="/pasted.js"></script>`

/** The file that was shown, and the app's own lines that use it, as any bundler takes them. */
function bundled(shown: string): string {
  const cache = path.join(import.meta.dirname, '../node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(path.join(cache, 'pasted-'))
  try {
    writeFileSync(path.join(folder, 'auth.ts'), shown)
    const contents = `import { signedIn, signIn, signOut } from './auth'
      document.querySelector('#in').onclick = signIn
      document.querySelector('#out').onclick = signOut
      signedIn().then(
        (user) => {
          document.querySelector('#who').textContent = user?.profile.email ?? 'nobody'
          document.querySelector('#token').textContent = user?.access_token ?? ''
        },
        (error) => { document.querySelector('#who').textContent = error.message },
      )`
    const { outputFiles } = buildSync({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      write: false,
      format: 'esm',
      logLevel: 'silent',
    })
    return outputFiles[0]?.text ?? ''
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

let server: Server
let origin = ''
let clientId = ''
let code = ''

test.beforeAll(async () => {
  server = createServer((req, res) => {
    if (req.url === '/favicon.ico') return res.writeHead(204).end()
    const script = { '/oidc-client-ts.js': library, '/pasted.js': code }[req.url ?? '']
    res.setHeader('content-type', script ? 'text/javascript' : 'text/html')
    const html = req.url?.startsWith('/pasted') ? pasted : page(clientId, `${PORTAL()}/oidc`)
    res.end(script ?? html)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://localhost:${(server.address() as AddressInfo).port}`
  const at = (pathname: string) => origin + pathname
  const added = await gatehouse([
    ...['client', 'add', '--name', 'Single page', '--auth-method', 'none', '--first-party', '--json'],
    ...[
      '--redirect-uri',
      at('/pasted'),
      '--redirect-uri',
      at('/callback'),
      '--redirect-uri',
      at('/silent'),
      '--post-logout-redirect-uri',
      at('/'),
    ],
  ])
  clientId = JSON.parse(added).client_id
})
test.afterAll(() => {
  server.closeAllConnections()
  server.close()
})

test('oidc-client-ts signs in, renews by its token and in a frame, and signs out; so does what is shown for pasting', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  const operator = await (await otherBrowser()).newPage()
  await operator.goto(`/signin/start?to=/admin/apps/${clientId}/connect`)
  await fillSignIn(operator, demoAdmin())
  code = bundled(await operator.getByRole('region', { name: 'auth.ts' }).innerText())

  await signUp(page, person)
  // A header of the journeys' own would have the browser ask first whether it may be sent.
  await page.context().setExtraHTTPHeaders({})
  const userinfo = (token: string | null) =>
    page.request.get('/oidc/userinfo', { headers: { authorization: `Bearer ${token}` } })

  await page.goto(`${origin}/pasted`)
  await expect(page.locator('#who')).toHaveText('nobody')
  await page.locator('#in').click()
  // What came back with the answer is gone from the address.
  await page.waitForURL(`${origin}/pasted`)
  await expect(page.locator('#who')).toHaveText(person.email)
  const first = await page.locator('#token').textContent()
  expect((await userinfo(first)).status()).toBe(200)
  await page.reload()
  await expect(page.locator('#who')).toHaveText(person.email)
  await page.locator('#out').click()
  await page.waitForURL(`${origin}/`)
  expect((await userinfo(first)).status()).toBe(401)

  await expect(page.locator('#state')).toHaveText('ready')
  await page.locator('#in').click()
  await fillSignIn(page, person)
  await page.waitForURL(`${origin}/`)
  await expect(page.locator('#who')).toContainText(person.email)
  const seen = new Set([await page.locator('#token').textContent()])
  for (const [button, state] of [
    ['#renew', 'renewed'],
    ['#silent', 'renewed in a frame'],
  ] as const) {
    await page.locator(button).click()
    await expect(page.locator('#state')).toHaveText(state)
    await expect(page.locator('#who')).toContainText(person.email)
    seen.add(await page.locator('#token').textContent())
  }
  expect(seen.size).toBe(3)
  const token = await page.locator('#token').textContent()
  await page.locator('#out').click()
  await page.waitForURL(`${origin}/`)
  await expect(page.locator('#who')).toHaveText('nobody')
  expect([(await userinfo(token)).status(), (await page.request.get('/api/session')).status()]).toEqual([
    401, 401,
  ])
})
