/** A device without a browser: its code, the page where a person types it, and what both of them see. */
import * as client from 'openid-client'
import { gatehouse } from './command'
import { expect, PORTAL, test } from './fixtures'

const add = async (name: string, ...more: string[]): Promise<string> => {
  const grants = ['--grant', 'device_code', '--grant', 'refresh_token', '--auth-method', 'none']
  const out = await gatehouse(['client', 'add', '--name', name, ...grants, ...more, '--json'])
  return JSON.parse(out).client_id
}

async function device(clientId: string) {
  const config = await client.discovery(new URL(`${PORTAL()}/oidc`), clientId, {}, client.None(), {
    execute: [client.allowInsecureRequests],
  })
  return { config, shown: await client.initiateDeviceAuthorization(config, { scope: 'openid profile' }) }
}

test('a device is signed in by its code, asked about, and can be refused, with script and without', async ({
  page,
  person,
  signUp,
  browser,
}) => {
  const welcome = 'Films at home'
  const clientId = await add('Living room TV', '--welcome-en', welcome, '--brand-color', '#0a7d5c')
  const { config, shown } = await device(clientId)
  await page.goto(shown.verification_uri_complete ?? '')
  await expect(page).toHaveURL(/\/signin/)
  await expect(page.getByText(welcome)).toHaveCount(0)
  await signUp(page, person)

  await page.goto('/device')
  await page.getByLabel('Code').fill('BCDF GHJK')
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByText('That code isn’t one that waits')).toBeVisible()

  // The link fills the code in, and nothing more.
  await page.goto(shown.verification_uri_complete ?? '')
  await expect(page.getByLabel('Code')).toHaveValue(shown.user_code)
  await expect(page.getByText(welcome)).toHaveCount(0)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(
    page.getByRole('heading', { name: 'Sign in to Living room TV on another device?' }),
  ).toBeVisible()
  await expect(page.getByText('Did you start this on your own device?')).toBeVisible()
  await expect(page.getByText(welcome)).toBeVisible()
  const yes = page.getByRole('button', { name: 'Yes, it’s my device' })
  await expect(yes).toHaveCSS('background-color', 'rgb(10, 125, 92)')
  await yes.click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await expect(page.getByRole('heading', { name: 'Your device is signed in' })).toBeVisible()
  await expect(page.getByText(welcome)).toBeVisible()
  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...shown, interval: 0.1 })
  expect(
    (await client.fetchUserInfo(config, tokens.access_token, tokens.claims()?.sub ?? '')).name,
  ).toContain(person.firstName)

  const plain = await browser.newContext({
    baseURL: PORTAL(),
    javaScriptEnabled: false,
    storageState: await page.context().storageState(),
  })
  const still = await plain.newPage()
  const second = await device(clientId)
  await still.goto('/device')
  await still.getByLabel('Code').fill(second.shown.user_code.toLowerCase())
  await still.getByRole('button', { name: 'Continue' }).click()
  await still.getByRole('button', { name: 'No, don’t sign it in' }).click()
  await expect(still.getByRole('heading', { name: 'Nobody was signed in' })).toBeVisible()
  await plain.close()
  const refused = client.pollDeviceAuthorizationGrant(second.config, { ...second.shown, interval: 0.1 })
  await expect(refused).rejects.toMatchObject({ error: 'access_denied' })

  // The device hangs on the browser that allowed it.
  await page.goto('/signout')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByRole('heading', { name: /signed out/i })).toBeVisible()
  await expect(client.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  })
})
