/** People without an account: into an app, through the console, and into an account that keeps what there was. */
import type { Page } from '@playwright/test'
import { gatehouse } from './command'
import { expect, fillSignUp, test, typeCode } from './fixtures'
import { latestMail } from './mailbox'
import { launchPortal, type Portal } from './portal'

test.describe.configure({ mode: 'default' })

let portal: Portal
let clientId = ''

test.beforeAll(async () => {
  test.setTimeout(180_000)
  portal = await launchPortal({ GUESTS: 'on' })
  const [demo] = JSON.parse(await gatehouse(['client', 'list', '--json'], { data: portal.data }))
  clientId = demo.client_id
})
test.afterAll(() => portal?.stop())

const allow = (guests: boolean) =>
  gatehouse(['client', 'update', clientId, guests ? '--guests' : '--no-guests'], { data: portal.data })

/** The claims that the app shows. */
async function claims(page: Page, id = 'id-token-claims'): Promise<Record<string, string>> {
  const list = page.locator(`#${id}`)
  const [names, values] = [
    await list.locator('dt').allTextContents(),
    await list.locator('dd').allTextContents(),
  ]
  return Object.fromEntries(names.map((name, index) => [name.trim(), values[index]?.trim() ?? '']))
}

async function enterAsGuest(page: Page): Promise<Record<string, string>> {
  await page.goto(portal.demoUrl)
  await page.locator('#sign-in').click()
  await page.getByRole('button', { name: 'Continue as guest' }).click()
  await expect(page.getByText('Guest', { exact: true })).toBeVisible()
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.locator('#id-token-claims').waitFor()
  return claims(page)
}

test('a guest uses the app, and makes an account when the app asks for one: same sub, nothing asked twice', async ({
  page,
  person,
}) => {
  await page.goto(portal.demoUrl)
  await page.locator('#sign-in').click()
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
  await expect(page.getByText('Continue as guest')).toHaveCount(0)

  await allow(true)
  const guest = await enterAsGuest(page)
  expect(guest).toMatchObject({ acr: '0', is_anonymous: 'true' })
  expect(await claims(page, 'userinfo-claims')).not.toHaveProperty('email')
  await page.locator('#refresh').click()
  await expect(page.locator('#refreshes')).toHaveText('1')

  await page.goto(`${portal.url}/account/security`)
  await expect(page).toHaveURL(`${portal.url}/account`)
  await expect(page.getByRole('heading', { name: 'You’re here as a guest' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'Security' })).toHaveCount(0)
  // Signing out says who that is, and that there is no way back.
  await page.goto(`${portal.url}/signout`)
  await expect(page.getByText('Guest', { exact: true })).toBeVisible()
  await expect(page.getByText('Being a guest ends for good')).toBeVisible()

  // The app wants people with an account from now on: what the guest holds of it is dead.
  await allow(false)
  await page.goto(portal.demoUrl)
  await page.locator('#refresh').click()
  await expect(page.locator('#refreshes')).not.toHaveText('2')
  await page.goto(`${portal.demoUrl}/login`)
  await expect(page.getByRole('heading', { name: 'Keep your account' })).toBeVisible()
  await fillSignUp(page, person)
  await typeCode(page, (await latestMail(person.email, 1, portal.url)).codes[0] ?? '')
  await expect(page.locator('#greeting')).toContainText(person.firstName)
  const full = await claims(page)
  expect(full).toMatchObject({ sub: guest.sub, acr: 'aal1' })
  expect(full).not.toHaveProperty('is_anonymous')
  expect(await claims(page, 'userinfo-claims')).toMatchObject({ sub: guest.sub, email: person.email })
  await page.goto(`${portal.url}/account/security`)
  await expect(page.getByRole('heading', { name: 'Security' }).first()).toBeVisible()
})

test('with script off from the console; the same cookie in another browser is nobody afterwards', async ({
  otherBrowser,
  person,
}) => {
  await allow(true)
  const plain = await otherBrowser({ javaScriptEnabled: false, baseURL: portal.url })
  const page = await plain.newPage()
  await enterAsGuest(page)
  const attackers = await otherBrowser({ javaScriptEnabled: false, baseURL: portal.url })
  await attackers.addCookies(await plain.cookies(portal.url))
  const theirs = await attackers.newPage()
  await theirs.goto('/account')
  await expect(theirs.getByRole('heading', { name: 'You’re here as a guest' })).toBeVisible()

  await page.goto('/account')
  await page.getByRole('link', { name: 'Keep your account' }).click()
  await fillSignUp(page, person)
  await typeCode(page, (await latestMail(person.email, 1, portal.url)).codes[0] ?? '')
  await expect(page).toHaveURL(`${portal.url}/account`)
  await expect(page.getByRole('heading', { name: `Hello, ${person.firstName}` })).toBeVisible()

  await theirs.goto('/account')
  await expect(theirs).toHaveURL(/\/signin\?flow=/)
  await expect(theirs.getByText(person.email)).toHaveCount(0)
})
