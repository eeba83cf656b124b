/** What ends with a session: the app learns of it by a logout token, or in a frame of the page after the sign-out. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gatehouse } from './command'
import { DEMO, expect, fillSignIn, PORTAL, test } from './fixtures'

test('revoked in one browser, the app of the other has its logout token and knows nobody any more', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const elsewhere = await (await otherBrowser()).newPage()
  await elsewhere.goto(DEMO())
  await elsewhere.locator('#sign-in').click()
  await fillSignIn(elsewhere, person)
  await elsewhere.getByRole('button', { name: 'Allow' }).click()
  await expect(elsewhere.locator('#greeting')).toContainText(person.firstName)

  await page.goto('/account/devices')
  await page.getByRole('link', { name: 'Sign out all others' }).click()
  await page.getByRole('button', { name: 'Sign out all others' }).click()
  await expect(page.getByText('is signed out')).toBeVisible()

  expect((await elsewhere.request.get(`${PORTAL()}/api/session`)).status()).toBe(401)
  await expect(async () => {
    await elsewhere.goto(DEMO())
    expect(await elsewhere.locator('#sign-in').count()).toBe(1)
  }).toPass()
  // Still signed in here, and the app finds nobody it could sign in silently there.
  expect((await page.request.get('/api/session')).status()).toBe(200)
  await elsewhere.locator('#prompt-none').click()
  await expect(elsewhere.locator('#notice')).toContainText('login_required')
})

test('an app with a front-channel address alone is loaded in the browser that signs out, and in no other', async ({
  page,
  person,
  signUp,
}) => {
  const told: URLSearchParams[] = []
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://localhost')
    if (url.pathname === '/out') told.push(url.searchParams)
    res.setHeader('content-type', 'text/html')
    res.end('<!doctype html><link rel="icon" href="data:,"><title>App</title><p>App')
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  try {
    const origin = `http://localhost:${(server.address() as AddressInfo).port}`
    const added = await gatehouse([
      ...['client', 'add', '--name', 'Front', '--redirect-uri', `${origin}/cb`, '--first-party', '--json'],
      ...['--frontchannel-logout-uri', `${origin}/out`],
    ])
    const { client_id: clientId, client_secret: clientSecret } = JSON.parse(added)
    await signUp(page, person)
    const verifier = 'v'.repeat(43)
    const query = new URLSearchParams({
      client_id: clientId,
      response_type: 'code',
      redirect_uri: `${origin}/cb`,
      scope: 'openid',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    })
    await page.goto(`/oidc/auth?${query}`)
    await page.waitForURL(`${origin}/cb?**`)
    const code = new URL(page.url()).searchParams.get('code') ?? ''
    const answer = await fetch(`${PORTAL()}/oidc/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: `${origin}/cb`,
        code_verifier: verifier,
      }),
    })
    const { id_token } = await answer.json()
    const claims = JSON.parse(Buffer.from(id_token.split('.')[1], 'base64url').toString())

    await page.goto('/signout')
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    await expect(page.getByRole('heading', { name: 'You’re signed out' })).toBeVisible()
    await expect
      .poll(() => told.map((params) => Object.fromEntries(params)))
      .toEqual([{ iss: `${PORTAL()}/oidc`, sid: claims.sid }])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
