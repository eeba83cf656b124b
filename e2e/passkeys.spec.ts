/** Passkeys from the person's side: made at sign-up or on offer, used from autofill and by button, and what goes wrong. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Page } from '@playwright/test'
import { addAuthenticator } from './authenticator'
import { expect, fillSignIn, saveCodes, test, typeCode } from './fixtures'
import { latestMail } from './mailbox'
import type { Person } from './people'

const session = (page: Page) => page.context().clearCookies({ name: 'gatehouse.session' })

/** Signs up with a passkey and no password; the browser ends up at /account. */
async function signUpWithPasskey(page: Page, person: Person): Promise<void> {
  await page.goto('/signin/start?to=/account&page=signup')
  await page.getByRole('link', { name: 'Use a passkey instead of a password' }).click()
  await expect(page.getByLabel('Password', { exact: true })).toHaveCount(0)
  await page.getByLabel('First name').fill(person.firstName)
  await page.getByLabel('Last name').fill(person.lastName)
  await page.getByLabel('E-mail').fill(person.email)
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
  await typeCode(page, (await latestMail(person.email)).codes[0] ?? '')
  await page.getByRole('heading', { name: 'Make your passkey' }).waitFor()
  await page.getByRole('button', { name: 'Create a passkey' }).click()
  await saveCodes(page)
}

/** Only a press begins a ceremony: as in a browser that shows no passkeys in its autofill. */
async function withoutAutofill(page: Page): Promise<void> {
  await page.addInitScript(() => {
    PublicKeyCredential.isConditionalMediationAvailable = async () => false
  })
}

async function pressPasskey(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Use a passkey' }).click()
}

test('an account without any password, and back in by the autofill of the address field', async ({
  page,
  person,
}) => {
  const device = await addAuthenticator(page, 'device')
  await signUpWithPasskey(page, person)
  await expect(page.getByRole('heading', { level: 1 })).toContainText(person.firstName)
  const [passkey] = await device.credentials()
  // The handle that devices keep says nothing about the person (PK6).
  const handle = Buffer.from(passkey?.userHandle ?? '', 'base64').toString('latin1')
  expect(handle.length).toBeGreaterThanOrEqual(16)
  expect(handle).not.toContain(person.email)
  await session(page)
  await page.goto('/signin/start?to=/account/devices')
  await page.waitForURL('**/account/devices')
})

test('the button signs in', async ({ page, person }) => {
  await addAuthenticator(page, 'device')
  await signUpWithPasskey(page, person)
  await session(page)
  await withoutAutofill(page)
  await page.goto('/signin/start?to=/account')
  await pressPasskey(page)
  await page.waitForURL('**/account')
})

test('a passkey is offered after a password, can be put off, and signs in from then on', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await session(page)
  const device = await addAuthenticator(page, 'device')
  // Whatever the browser might make by itself: only the press counts here.
  await device.touch(false)
  await page.goto('/signin/start?to=/account')
  await fillSignIn(page, person)
  await page.getByRole('heading', { name: 'Sign in faster next time?' }).waitFor()
  await device.touch(true)
  await page.getByRole('button', { name: 'Create a passkey' }).click()
  await saveCodes(page)
  expect(await device.credentials()).toHaveLength(1)

  await session(page)
  await page.goto('/signin/start?to=/account')
  await page.waitForURL('**/account')
})

test('after a password the passkey comes second, before everything else', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await addAuthenticator(page, 'device')
  await page.goto('/account/security')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByRole('button', { name: 'Make backup codes' }).waitFor()
  await session(page)
  await withoutAutofill(page)
  await page.goto('/signin/start?to=/account/devices')
  await fillSignIn(page, person)
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  expect((await page.request.get('/api/session')).status()).toBe(401)
  await page.getByRole('button', { name: 'Use your passkey' }).click()
  await page.waitForURL('**/account/devices')
})

test('who says "not now" is not asked again in this browser', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await session(page)
  const device = await addAuthenticator(page, 'device')
  await device.touch(false)
  await page.goto('/signin/start?to=/account')
  await fillSignIn(page, person)
  await page.getByRole('button', { name: 'Not now' }).click()
  await page.waitForURL('**/account')
  await session(page)
  await page.goto('/signin/start?to=/account')
  await fillSignIn(page, person)
  await page.waitForURL('**/account')
})

test('a passkey that came to a second device over the air signs in there', async ({
  page,
  person,
  otherBrowser,
}) => {
  const device = await addAuthenticator(page, 'device')
  await signUpWithPasskey(page, person)
  const [passkey] = await device.credentials()
  if (!passkey) throw new Error('no passkey')
  const elsewhere = await (await otherBrowser()).newPage()
  const second = await addAuthenticator(elsewhere, 'device')
  await second.put(passkey)
  await elsewhere.goto('/signin/start?to=/account')
  await elsewhere.waitForURL('**/account')
  await expect(elsewhere.getByRole('heading', { level: 1 })).toContainText(person.firstName)
})

test('a ceremony that is cancelled, and one that nobody answers, say so and can be tried again', async ({
  page,
  person,
}) => {
  const device = await addAuthenticator(page, 'device')
  await signUpWithPasskey(page, person)
  await session(page)
  await withoutAutofill(page)
  await page.goto('/signin/start?to=/account')
  // Finger not recognised: the browser says "not allowed", as for a closed dialog.
  await device.verifies(false)
  await pressPasskey(page)
  await expect(page.locator('main').getByRole('alert')).toContainText('the question was closed')
  await expect(page.getByRole('button', { name: 'Use a passkey' })).toBeEnabled()

  await device.touch(false)
  await page.route('**/signin/passkey/options', async (route) => {
    const answer = await route.fetch()
    const asked = await answer.json()
    asked.options.timeout = 1000
    await route.fulfill({ response: answer, json: asked })
  })
  await pressPasskey(page)
  await expect(page.locator('main').getByRole('alert')).toContainText('Nobody answered in time', {
    timeout: 30_000,
  })
  await page.unroute('**/signin/passkey/options')

  await device.verifies(true)
  await device.touch(true)
  await pressPasskey(page)
  await page.waitForURL('**/account')
})

test('a_counter_that_went_backwards_is_refused', async ({ page, person }) => {
  const device = await addAuthenticator(page, 'device')
  await signUpWithPasskey(page, person)
  const [before] = await device.credentials()
  if (!before) throw new Error('no passkey')
  await withoutAutofill(page)
  await session(page)
  await page.goto('/signin/start?to=/account')
  await pressPasskey(page)
  await page.waitForURL('**/account')
  await session(page)
  // A copy from before that sign-in: it counts what was counted already.
  await device.forget(before.credentialId)
  await device.put({ ...before, signCount: 0 })
  await page.goto('/signin/start?to=/account')
  await pressPasskey(page)
  await expect(page.locator('main').getByRole('alert')).toContainText('old count')
  expect((await page.request.get('/api/session')).status()).toBe(401)
})

test('a passkey that nobody here knows is refused, and the browser told to forget it', async ({ page }) => {
  const device = await addAuthenticator(page, 'device')
  await withoutAutofill(page)
  await page.goto('/signin/start?to=/account')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await device.put({
    credentialId: randomBytes(16).toString('base64'),
    isResidentCredential: true,
    rpId: 'localhost',
    userHandle: randomBytes(16).toString('base64'),
    signCount: 1,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
  })
  await pressPasskey(page)
  await expect(page.locator('main').getByRole('alert')).toContainText('passkey')
  await expect.poll(async () => (await device.credentials()).length).toBe(0)
})

test('a passkey that was removed in the console is turned down, also from a device that was not told', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  const device = await addAuthenticator(page, 'device')
  await page.goto('/account/security')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByRole('button', { name: 'Make backup codes' }).waitFor()
  const [removed] = await device.credentials()
  if (!removed) throw new Error('no passkey')
  await page.goto('/account/security')
  await page.getByRole('link', { name: /^Remove / }).click()
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  await expect(page.getByText('You have no passkeys yet.')).toBeVisible()
  await expect.poll(async () => (await device.credentials()).length).toBe(0)

  await session(page)
  await device.put(removed)
  // The autofill of the address field gives it; nobody has to press anything.
  await page.goto('/signin/start?to=/account')
  await expect(page.locator('main').getByRole('alert')).toContainText(
    'This passkey does not belong to an account here any more.',
  )
  await expect.poll(async () => (await device.credentials()).length).toBe(0)
  expect((await page.request.get('/api/session')).status()).toBe(401)
  await fillSignIn(page, person)
  await page.getByRole('button', { name: 'Not now' }).click()
  await page.waitForURL('**/account')
})

test('without WebAuthn the pages say so, and other ways stay', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await session(page)
  await page.addInitScript(() => Reflect.deleteProperty(window, 'PublicKeyCredential'))
  await page.goto('/signin/start?to=/account')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.locator('main').getByRole('alert')).toContainText('This browser or key can’t do that')
  await fillSignIn(page, person)
  await page.waitForURL('**/account')
})
