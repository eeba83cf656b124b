import type { Page } from '@playwright/test'
import { codeAt, scan } from './authenticator-app'
import { DEMO, expect, fillSignIn, fillSignUp, PORTAL, test, typeCode } from './fixtures'
import type { Person } from './people'

/** The ID token's claims as the app shows them. */
async function claims(page: Page, id = 'id-token-claims'): Promise<Record<string, string>> {
  const list = page.locator(`#${id}`)
  const [names, values] = [
    await list.locator('dt').allTextContents(),
    await list.locator('dd').allTextContents(),
  ]
  return Object.fromEntries(names.map((name, index) => [name.trim(), values[index]?.trim() ?? '']))
}

/** From the app through the hosted pages and back, as somebody new. */
async function enter(page: Page, person: Person, code: (address: string) => Promise<string>): Promise<void> {
  await page.goto(DEMO())
  await page.locator('#sign-in').click()
  await page.getByRole('link', { name: 'Create account' }).click()
  await fillSignUp(page, person)
  await typeCode(page, await code(person.email))
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.locator('#greeting').waitFor()
}

test('a newcomer goes from the app through the portal and back', async ({ page, person, mailTo }) => {
  await page.goto(DEMO())
  await page.locator('#sign-in').click()
  await expect(page).toHaveURL(new RegExp(`^${PORTAL()}/signin`))
  await expect(page.getByText('to continue to')).toBeVisible()
  await page.getByRole('link', { name: 'Create account' }).click()
  await fillSignUp(page, person)
  await typeCode(page, (await mailTo(person.email)).codes[0] ?? '')

  await expect(page).toHaveURL(/\/consent/)
  await expect(page.getByText(person.email).first()).toBeVisible()
  await expect(page.getByText('Your e-mail address')).toBeVisible()
  await page.getByRole('button', { name: 'Allow' }).click()

  await expect(page.locator('#greeting')).toContainText(person.firstName)
  expect(await claims(page)).toMatchObject({ iss: `${PORTAL()}/oidc`, acr: 'aal1' })
  expect(await claims(page, 'userinfo-claims')).toMatchObject({
    email: person.email,
    given_name: person.firstName,
  })

  await page.locator('#refresh').click()
  await expect(page.locator('#refreshes')).toHaveText('1')
  await page.locator('#userinfo').click()
  await expect(page.locator('#notice')).toHaveAttribute('role', 'status')

  await page.locator('#sign-out').click()
  await expect(page.locator('#sign-in')).toBeVisible()
  expect((await page.request.get('/api/session')).status()).toBe(401)
})

test('signed in already: no password, no question', async ({ page, person, mailTo }) => {
  await enter(page, person, async (to) => (await mailTo(to)).codes[0] ?? '')
  await page.context().clearCookies({ name: /^demo-app/ })
  await page.goto(DEMO())
  const visited: string[] = []
  page.on('framenavigated', (frame) => visited.push(frame.url()))
  await page.locator('#sign-in').click()
  await expect(page.locator('#greeting')).toContainText(person.firstName)
  expect(visited.filter((url) => /\/(signin|consent)/.test(url))).toEqual([])

  // Asked for what it has, an app is not said to ask for more.
  await page.goto(`${DEMO()}/login?prompt=consent`)
  await expect(page.getByText('Nothing new is added.')).toBeVisible()
  await expect(page.locator('main')).not.toContainText('also asks for')
  await page.getByRole('button', { name: 'Allow' }).click()
  await expect(page.locator('#greeting')).toContainText(person.firstName)
})

test('prompt=none, prompt=login and max_age=0 do what OpenID Connect says', async ({
  page,
  person,
  mailTo,
}) => {
  await page.goto(DEMO())
  await page.locator('#prompt-none').click()
  await expect(page.locator('#notice')).toContainText('login_required')

  await enter(page, person, async (to) => (await mailTo(to)).codes[0] ?? '')
  const first = Number((await claims(page)).auth_time)
  await page.locator('#prompt-none').click()
  await expect(page.locator('#greeting')).toBeVisible()

  for (const link of ['#prompt-login', '#max-age-0']) {
    await page.locator(link).click()
    await expect(page.getByRole('heading', { name: 'Confirm it’s you' })).toBeVisible()
    await expect(page.getByText(person.email)).toBeVisible()
    await page.getByLabel('Password', { exact: true }).fill(person.password)
    await page.getByRole('button', { name: 'Continue' }).click()
    await expect(page.locator('#greeting')).toBeVisible()
    expect(Number((await claims(page)).auth_time)).toBeGreaterThanOrEqual(first)
  }
  await page.locator('#refresh').click()
  await expect(page.locator('#refreshes')).toHaveText('1')
})

test('stepping up: who has one factor sets another up, and then it is asked for by name', async ({
  page,
  person,
  mailTo,
  otherBrowser,
}) => {
  await enter(page, person, async (to) => (await mailTo(to)).codes[0] ?? '')
  // A wish nobody can grant asks nothing.
  await page.locator('#acr-aal2').click()
  await expect(page.locator('#greeting')).toBeVisible()
  expect(await claims(page)).toMatchObject({ acr: 'aal1' })

  await page.locator('#step-up').click()
  await expect(page.getByRole('heading', { name: 'Confirm it’s you' })).toBeVisible()
  await page.getByLabel('Password', { exact: true }).fill(person.password)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByText('Demo app asks for a second proof')).toBeVisible()
  await page.getByRole('link', { name: /^Authenticator app/ }).click()
  const secret = (await scan(page.getByTestId('totp-qr'))).searchParams.get('secret') ?? ''
  await page.getByLabel('Code from the app').fill(codeAt(secret))
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'I have saved them' }).click()
  await expect(page.locator('#notice')).toContainText('Confirmed with two factors')
  expect(await claims(page)).toMatchObject({ acr: 'aal2', amr: '["pwd","otp","mfa"]' })

  const elsewhere = await (await otherBrowser()).newPage()
  await elsewhere.goto(`${DEMO()}/login?acr_values=aal2`)
  await fillSignIn(elsewhere, person)
  await elsewhere.getByLabel('Code from your authenticator app').fill(codeAt(secret, 1))
  await elsewhere.getByRole('button', { name: 'Continue' }).click()
  await expect(elsewhere.locator('#greeting')).toBeVisible()
  expect(await claims(elsewhere)).toMatchObject({ acr: 'aal2' })
})

test('login_hint fills the address in', async ({ page, person }) => {
  await page.goto(DEMO())
  await page.locator('#login_hint').fill(person.email)
  await page.locator('#sign-in-hint').click()
  await expect(page.getByLabel('E-mail')).toHaveValue(person.email)
})

test('declining tells the app, and asks again next time', async ({ page, person, mailTo, signUp }) => {
  await signUp(page, person)
  await page.goto(DEMO())
  await page.locator('#sign-in').click()
  await page.getByRole('button', { name: 'Decline' }).click()
  await expect(page.locator('#notice')).toContainText('You declined')
  await page.locator('#sign-in').click()
  await expect(page.getByRole('button', { name: 'Allow' })).toBeVisible()
  expect((await mailTo(person.email)).to).toBe(person.email)
})

test('a session ended in the console ends what the app may do', async ({
  page,
  person,
  mailTo,
  otherBrowser,
}) => {
  await enter(page, person, async (to) => (await mailTo(to)).codes[0] ?? '')
  const console_ = await (await otherBrowser()).newPage()
  await console_.goto('/signin/start?to=/account/devices')
  await fillSignIn(console_, person)
  await console_.waitForURL('**/account/devices')
  await console_.getByRole('link', { name: 'Sign out all others' }).click()
  await console_.getByRole('button', { name: 'Sign out all others' }).click()
  await expect(console_.getByText('1 session is signed out.')).toBeVisible()
  // Its tokens are dead at once; a moment later it has its logout token, and knows nobody any more.
  await page.locator('#userinfo').click()
  await expect(page.locator('#notice[role="alert"], #sign-in').first()).toBeVisible()
  await expect(async () => {
    await page.goto(DEMO())
    expect(await page.locator('#sign-in').count()).toBe(1)
  }).toPass()
})

test('another account can be chosen when asked to prove again', async ({
  page,
  person,
  mailTo,
  signUp,
  otherBrowser,
}) => {
  const { newPerson } = await import('./people')
  const second = newPerson()
  await signUp(await (await otherBrowser()).newPage(), second)
  await enter(page, person, async (to) => (await mailTo(to)).codes[0] ?? '')
  await page.locator('#prompt-login').click()
  await page.getByRole('link', { name: 'Not you?' }).click()
  await page.getByLabel('E-mail').fill(second.email)
  await page.getByLabel('Password', { exact: true }).fill(second.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await expect(page.locator('#greeting')).toContainText(second.firstName)
  expect(await claims(page, 'userinfo-claims')).toMatchObject({ email: second.email })
})

test('two tabs with a request each both end at the app', async ({ page, person, signUp, context }) => {
  await signUp(page, person)
  await context.clearCookies({ name: 'gatehouse.session' })
  const [one, two] = [await context.newPage(), await context.newPage()]
  for (const tab of [one, two]) {
    await tab.goto(DEMO())
    await tab.locator('#sign-in').click()
    await tab.getByLabel('E-mail').waitFor()
  }
  await fillSignIn(one, person)
  await one.getByRole('button', { name: 'Allow' }).click()
  await expect(one.locator('#greeting, #notice').first()).toBeVisible()
  await two.reload()
  await expect(two.locator('#greeting, #notice').first()).toBeVisible()
})

test('errors that cannot go back to the app are shown by the portal in words', async ({
  page,
  complaints,
}) => {
  const bad = new URL(
    `${PORTAL()}/oidc/auth?response_type=code&client_id=nobody&redirect_uri=https://evil.example/cb&scope=openid`,
  )
  const answer = await page.goto(bad.href)
  expect(answer?.status()).toBeGreaterThanOrEqual(400)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('We don’t know this app')
  await expect(page.locator('body')).not.toContainText('evil.example')
  complaints.length = 0 // the browser itself notes the status
})

test('Back after consent and a reload of the callback end in words', async ({ page, person, mailTo }) => {
  await enter(page, person, async (to) => (await mailTo(to)).codes[0] ?? '')
  await page.goBack()
  await expect(page.getByRole('heading', { level: 1 }).first()).toBeVisible()
  await expect(page.locator('body')).not.toContainText(/stack|undefined|Internal/i)
})
