/** The second step from the person's side, where the operator asks everybody for one. */
import type { Page } from '@playwright/test'
import { type Authenticator, addAuthenticator } from './authenticator'
import { codeAt, scan } from './authenticator-app'
import { axe } from './axe'
import { test as base, expect, fillSignIn, fillSignUp, saveCodes, typeCode } from './fixtures'
import { latestMail } from './mailbox'
import type { Person } from './people'
import { addNumber, confirmNumber, newNumber } from './phone'
import { launchPortal, type Portal } from './portal'
import { Visitor } from './visitor'

let portal: Portal

const test = base.extend<object, { strict: Portal }>({
  /** A portal that asks everybody for a second factor. */
  strict: [
    async ({}, use) => {
      portal = await launchPortal({
        SECOND_FACTOR: 'required',
        SECOND_FACTOR_METHODS: 'totp,passkey,security_key,backup_code,email_code,sms_code',
      })
      await use(portal)
      await portal.stop()
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  baseURL: async ({ strict }, use) => use(strict.url),
})

test.describe.configure({ mode: 'default' })

const AT_ACCOUNT = '**/account'

/** Signs up with a password; what is asked for next is a second factor. */
async function signUp(page: Page, person: Person): Promise<void> {
  await page.goto('/signin/start?to=/account&page=signup')
  await fillSignUp(page, person)
  await typeCode(page, (await latestMail(person.email, 1, portal.url)).codes[0] ?? '')
  await page.getByRole('heading', { name: 'Set up a second step' }).waitFor()
}

/** Proves the password, in this browser or after a sign-out. */
async function passFirstStep(page: Page, person: Person): Promise<void> {
  await page.context().clearCookies({ name: 'gatehouse.session' })
  await page.goto('/signin/start?to=/account')
  await fillSignIn(page, person)
}

/** Sets up an authenticator app from the picture on the screen. */
async function setUpApp(page: Page): Promise<{ secret: string; used: string; codes: string[] }> {
  await page.getByRole('link', { name: /^Authenticator app/ }).click()
  const { protocol, host, pathname, searchParams } = await scan(page.getByTestId('totp-qr'))
  const secret = searchParams.get('secret') ?? ''
  expect(`${protocol}//${host}`).toBe('otpauth://totp')
  expect(decodeURIComponent(pathname)).toContain('@example.com')
  expect(searchParams.get('issuer')).toBe('Gatehouse')
  // Who cannot see the picture reads the very same key.
  expect((await page.getByTestId('totp-key').innerText()).replace(/\s/g, '')).toBe(secret)
  const used = codeAt(secret)
  await page.getByLabel('Code from the app').fill(used)
  await page.getByRole('button', { name: 'Continue' }).click()
  return { secret, used, codes: await saveCodes(page) }
}

const typeAppCode = async (page: Page, code: string) => {
  await page.getByLabel('Code from your authenticator app').fill(code)
  await page.getByRole('button', { name: 'Continue' }).click()
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? 'with script' : 'without script', () => {
    test.use({ javaScriptEnabled })

    test('an authenticator app: set up from the picture, asked for, each code good once', async ({
      page,
      person,
    }) => {
      await signUp(page, person)
      const { secret, used } = await setUpApp(page)
      await passFirstStep(page, person)
      // Half signed in is not signed in (SES6).
      expect((await page.request.get('/api/session')).status()).toBe(401)
      await page.goto('/account')
      await expect(page).toHaveURL(/\/signin/)
      await passFirstStep(page, person)
      // The code that set it up was used by that.
      await typeAppCode(page, used)
      await expect(page.locator('main').getByRole('alert')).toContainText('code')
      await typeAppCode(page, codeAt(secret, 1))
      await page.waitForURL(AT_ACCOUNT)
    })

    test('a backup code stands in for it, once', async ({ page, person }) => {
      await signUp(page, person)
      const { codes } = await setUpApp(page)
      const use = async (code = '') => {
        await passFirstStep(page, person)
        await page.getByRole('link', { name: 'One of your backup codes' }).click()
        await page.getByLabel('Backup code').fill(code)
        await page.getByRole('button', { name: 'Continue' }).click()
      }
      await use(codes[0]?.toUpperCase().replaceAll('-', ' '))
      await page.waitForURL(AT_ACCOUNT)
      await use(codes[0])
      await expect(page.getByLabel('Backup code')).toHaveAccessibleDescription(
        /isn’t one of your backup codes/,
      )
      // The refused form comes back as it was: the other ways are still a link away.
      await expect(page.getByLabel('Backup code')).toBeVisible()
      await page.getByLabel('Backup code').fill(codes[1] ?? '')
      await page.getByRole('button', { name: 'Continue' }).click()
      await page.waitForURL(AT_ACCOUNT)
    })

    test('a code by mail stands in for it, sent when asked for', async ({ page, person }) => {
      await signUp(page, person)
      await setUpApp(page)
      await passFirstStep(page, person)
      await page.getByRole('link', { name: /^A code by e-mail/ }).click()
      await expect(page.getByText(`${person.email[0]}•••@example.com`).first()).toBeVisible()
      await page.getByRole('button', { name: 'Send the code' }).click()
      await expect(page.getByText('is on its way')).toBeVisible()
      await expect
        .poll(async () => (await latestMail(person.email, 1, portal.url)).codes.length)
        .toBeGreaterThan(0)
      const { codes } = await latestMail(person.email, 1, portal.url)
      await typeCode(page, codes[0] ?? '')
      await page.waitForURL(AT_ACCOUNT)
    })
  })
}

test('one mailbox is not two factors: after a code by mail none is offered again', async ({
  page,
  person,
}) => {
  await signUp(page, person)
  await setUpApp(page)
  await page.context().clearCookies({ name: 'gatehouse.session' })
  await page.goto('/signin/start?to=/account')
  await page.getByLabel('E-mail', { exact: true }).fill(person.email)
  await page.getByRole('button', { name: 'E-mail me a code instead' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
  await expect.poll(async () => (await latestMail(person.email, 1, portal.url)).text).toContain('Sign in to')
  await typeCode(page, (await latestMail(person.email, 1, portal.url)).codes[0] ?? '')
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  await expect(page.getByRole('link', { name: /^A code by e-mail/ })).toHaveCount(0)
  await expect(page.getByRole('link', { name: 'One of your backup codes' })).toBeVisible()
})

test('a code by text message stands in where the operator allows it, at a number that was confirmed', async ({
  page,
  person,
}) => {
  const number = newNumber()
  await signUp(page, person)
  await setUpApp(page)
  await addNumber(page, number)
  await confirmNumber(page, number, portal.url)
  await expect(page.getByText('It is now a way back')).toBeVisible()

  await passFirstStep(page, person)
  await page.getByRole('link', { name: /^A code by text message/ }).click()
  // Who has only the password does not learn the number.
  expect(await page.content()).not.toContain(number.stored.slice(0, -2))
  await page.getByRole('button', { name: 'Send the code' }).click()
  await expect(page.getByText('A text message with a 6-digit code is on its way')).toBeVisible()
  const text = await latestMail(number.stored, 2, portal.url)
  // Browsers fill it in on our pages alone.
  expect(text.text).toMatch(/\n\n@localhost #\d{6}$/)
  await typeCode(page, text.codes[0] ?? '')
  await page.waitForURL(AT_ACCOUNT)
})

test('five wrong codes begin the sign-in anew', async ({ page, person }) => {
  await signUp(page, person)
  await setUpApp(page)
  await passFirstStep(page, person)
  for (let tries = 0; tries < 5; tries++) {
    await expect(page.getByRole('heading', { name: 'One more step' })).toBeVisible()
    await typeAppCode(page, '000000')
  }
  await expect(page.getByRole('heading', { name: 'Sign in', exact: true })).toBeVisible()
  await expect(page.locator('main').getByRole('alert')).toContainText('Too many wrong tries')
  expect((await page.request.get('/api/session')).status()).toBe(401)
})

test('second_codes_guessed_over_many_attempts_end_in_a_wait_that_the_owner_does_not_share', async ({
  page,
  person,
  otherBrowser,
  complaints,
}) => {
  await signUp(page, person)
  const { secret } = await setUpApp(page)
  // Somebody has the password, and begins anew whenever an attempt is over.
  const stranger = new Visitor(portal)
  for (let attempts = 0; attempts < 2; attempts++) {
    const { location } = await stranger.signIn(person)
    const flow = new URL(location, portal.url).searchParams.get('flow') ?? ''
    for (let tries = 0; tries < 5; tries++) {
      const answer = await stranger.post('/signin/second/submit', { flow, method: 'totp', code: '000000' })
      expect(answer.status).toBe(303)
      expect(answer.location).toMatch(tries < 4 ? /^\/signin\/second\?/ : /^\/signin\?/)
    }
  }
  // From another network too, and with the right code.
  const elsewhere = await (await otherBrowser({ baseURL: portal.url })).newPage()
  await passFirstStep(elsewhere, person)
  const refused = elsewhere.waitForResponse((answer) => answer.url().endsWith('/signin/second/submit'))
  await typeAppCode(elsewhere, codeAt(secret, 1))
  expect((await refused).status()).toBe(429)
  expect(Number((await refused).headers()['retry-after'])).toBeGreaterThan(60)
  await expect(elsewhere.locator('main').getByRole('alert')).toContainText('Too many tries for now')
  complaints.length = 0 // the browser itself notes the 429
  expect((await elsewhere.request.get('/api/session')).status()).toBe(401)

  await passFirstStep(page, person)
  await typeAppCode(page, codeAt(secret, 1))
  await page.waitForURL(AT_ACCOUNT)
})

test('a trusted browser is not asked again; another one is', async ({ page, person, otherBrowser }) => {
  await signUp(page, person)
  const { codes } = await setUpApp(page)
  await passFirstStep(page, person)
  await page.getByRole('link', { name: 'One of your backup codes' }).click()
  await page.getByLabel('Backup code').fill(codes[0] ?? '')
  await page.getByLabel('Don’t ask in this browser for 30 days').check()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL(AT_ACCOUNT)
  await passFirstStep(page, person)
  await page.waitForURL(AT_ACCOUNT)
  const elsewhere = await (await otherBrowser({ baseURL: portal.url })).newPage()
  await passFirstStep(elsewhere, person)
  await expect(elsewhere.getByRole('heading', { name: 'One more step' })).toBeVisible()
})

test('a security key that knows touch alone is a second factor, never both', async ({ page, person }) => {
  const key: Authenticator = await addAuthenticator(page, 'key')
  await signUp(page, person)
  await page.getByRole('link', { name: /^Security key/ }).click()
  await page.getByLabel('Name of the key').fill('Blue key')
  await page.getByRole('button', { name: 'Add the key' }).click()
  await saveCodes(page)
  const [made] = await key.credentials()
  expect(made?.isResidentCredential).toBe(false)

  await passFirstStep(page, person)
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  await page.getByRole('button', { name: 'Use your security key' }).click()
  await page.waitForURL(AT_ACCOUNT)
})

test('every page of the second step is read out right and works by keys alone', async ({ page, person }) => {
  const clean = async () => {
    expect(await axe(page)).toEqual([])
    await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1)
  }
  const tabTo = async (name: string | RegExp, role: 'link' | 'button') => {
    const target = page.getByRole(role, { name })
    const focused = () => target.evaluate((element) => element === document.activeElement)
    for (let presses = 0; presses < 40 && !(await focused()); presses++) await page.keyboard.press('Tab')
    await expect(target).toBeFocused()
    await page.keyboard.press('Enter')
  }
  await addAuthenticator(page, 'key')
  await signUp(page, person)
  await clean()
  await tabTo(/^Security key/, 'link')
  await page.getByRole('heading', { name: 'Add a security key' }).waitFor()
  await clean()
  await tabTo('Choose something else', 'link')
  await tabTo(/^Passkey/, 'link')
  await page.getByRole('heading', { name: 'Create a passkey' }).waitFor()
  await clean()
  await tabTo('Choose something else', 'link')
  await tabTo(/^Authenticator app/, 'link')
  await page.getByRole('heading', { name: 'Add an authenticator app' }).waitFor()
  await clean()
  await expect(page.getByRole('img', { name: /QR code/ })).toBeVisible()
  const secret = (await page.getByTestId('totp-key').innerText()).replace(/\s/g, '')
  const field = page.getByLabel('Code from the app')
  for (let presses = 0; presses < 40; presses++) {
    if (await field.evaluate((element) => element === document.activeElement)) break
    await page.keyboard.press('Tab')
  }
  await page.keyboard.type(codeAt(secret))
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Keep these backup codes' }).waitFor()
  await clean()
  const file = page.waitForEvent('download')
  await tabTo('Download', 'link')
  const saved = await (await file).createReadStream()
  let text = ''
  for await (const chunk of saved) text += chunk
  const codes = await page
    .getByRole('list', { name: 'Your backup codes' })
    .getByRole('listitem')
    .allInnerTexts()
  for (const code of codes) expect(text).toContain(code)
  await tabTo('I have saved them', 'button')
  await page.waitForURL(AT_ACCOUNT)

  await passFirstStep(page, person)
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  await clean()
  for (const [way, method] of [
    ['One of your backup codes', 'backup_code'],
    [/^A code by e-mail/, 'email_code'],
  ] as const) {
    await tabTo(way, 'link')
    await page.waitForURL(`**/signin/second?*with=${method}`)
    await clean()
  }
  await tabTo(/^A code from your authenticator app/, 'link')
  await page.getByLabel('Code from your authenticator app').waitFor()
  await page.keyboard.type(codeAt(secret, 1))
  await page.keyboard.press('Enter')
  await page.waitForURL(AT_ACCOUNT)
})
