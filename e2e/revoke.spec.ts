/** What ends with a session: the app learns of it by a logout token, or in a frame of the page after the sign-out. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { axe } from './axe'
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

test('access removed without script: the app knows nobody any more, and asks again; declined, it is told', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  await page.goto(DEMO())
  await page.locator('#sign-in').click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await expect(page.locator('#greeting')).toContainText(person.firstName)

  const plain = await (await otherBrowser({ javaScriptEnabled: false })).newPage()
  await plain.goto('/signin/start?to=/account/apps')
  await fillSignIn(plain, person)
  const row = plain.getByRole('listitem').filter({ hasText: 'Demo app' })
  await expect(row).toContainText('Your e-mail address')
  await expect(row).toContainText('In 1 session')
  await row.getByRole('link', { name: 'Demo app', exact: true }).click()
  await expect(plain.getByRole('region', { name: 'Where you are signed in to it' })).toContainText('Chrome')
  await plain.getByRole('link', { name: 'Remove access' }).click()
  const question = plain.getByRole('dialog')
  await expect(question).toContainText('You are signed out of it in 1 session. The session here goes on.')
  await expect(question).toContainText('1 renewable token ends')
  await expect(question).toContainText('told at once')
  await page.goto('/account/apps')
  expect(await axe(page)).toEqual([])
  await question.getByRole('button', { name: 'Remove access' }).click()
  const done = plain.getByRole('status').filter({ hasText: 'Access of Demo app is removed' })
  await expect(done).toContainText('1 renewable token ended.')
  await expect(plain.getByText('No connected apps')).toBeVisible()

  // The app had its logout token; the session here goes on, and the app has to ask.
  await expect(async () => {
    await page.goto(DEMO())
    expect(await page.locator('#sign-in').count()).toBe(1)
  }).toPass()
  await plain.reload()
  await expect(done).toContainText('It knows that you are signed out.')
  await page.locator('#sign-in').click()
  await page.getByRole('button', { name: 'Decline' }).click()
  await expect(page.locator('#notice')).toContainText('You declined')
})
