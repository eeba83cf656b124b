/** The console's security page: factors come, get names, and go (PK4, PK6, TOTP4, SES2, STP1). */
import type { Page } from '@playwright/test'
import { age, sql } from './aging'
import { addAuthenticator } from './authenticator'
import { codeAt, scan } from './authenticator-app'
import { expect, test } from './fixtures'
import { latestMail } from './mailbox'

const heading = (page: Page, name: string) => page.getByRole('heading', { name, exact: true })
const section = (page: Page, name: string) => page.getByRole('region', { name, exact: true })

async function addPasskey(page: Page, name = 'Add a passkey'): Promise<void> {
  await page.goto('/account/security')
  await page.getByRole('button', { name }).click()
}

/** Adds an authenticator app from the security page, by the picture on the screen. */
async function addApp(page: Page, name: string): Promise<string> {
  await page.goto('/account/security')
  await page.getByRole('button', { name: 'Add an authenticator app' }).click()
  const uri = await scan(page.getByTestId('totp-qr'))
  const secret = uri.searchParams.get('secret') ?? ''
  await page.getByLabel('6-digit code').fill(codeAt(secret))
  await page.getByLabel('Name').fill(name)
  await page.getByRole('button', { name: 'Add the app' }).click()
  await expect(page.getByText(`${name} is added`)).toBeVisible()
  return secret
}

test('a passkey is added, followed by backup codes, renamed, removed, and the browser is told', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  const device = await addAuthenticator(page, 'device')
  await page.goto('/account/security')
  await expect(section(page, 'Two-step sign-in').getByText('Off', { exact: true })).toBeVisible()
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await expect(page.getByText('two-step sign-in is on.')).toBeVisible()
  const notice = await latestMail(person.email, 2)
  expect(notice.subject).toContain('A way to sign in was added')

  // The handle that the passkey carries says nothing about its owner (PK6).
  const [credential] = await device.credentials()
  const handle = Buffer.from(credential?.userHandle ?? '', 'base64')
  expect(handle).toHaveLength(16)
  expect(credential?.isResidentCredential).toBe(true)

  await page.getByRole('button', { name: 'Make backup codes' }).click()
  await expect(heading(page, 'Your new backup codes')).toBeVisible()
  const codes = await page
    .getByRole('list', { name: 'Your backup codes' })
    .getByRole('listitem')
    .allTextContents()
  expect(codes).toHaveLength(10)
  expect(new Set(codes).size).toBe(10)
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download' }).click(),
  ])
  expect(download.suggestedFilename()).toMatch(/backup-codes\.txt$/)
  // Shown this once: the page that is loaded again has none.
  await page.reload()
  await expect(heading(page, 'Make new codes')).toBeVisible()
  for (const code of codes) expect(await page.content()).not.toContain(code)

  await page.goto('/account/security')
  await expect(section(page, 'Two-step sign-in').getByText('On', { exact: true })).toBeVisible()
  await expect(section(page, 'Passkeys')).toContainText('Synced between your devices')
  await page.getByRole('link', { name: /^Rename / }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('My laptop')
  await page.getByRole('button', { name: 'Save name' }).click()
  await expect(page.getByText('It is now called My laptop.')).toBeVisible()

  await page.getByRole('link', { name: 'Remove My laptop' }).click()
  await expect(page.getByText('It is your last second factor')).toBeVisible()
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  await expect(page.getByText('My laptop is removed.')).toBeVisible()
  await expect(page.getByText('You have no passkeys yet.')).toBeVisible()
  // Signal API: the browser has forgotten it too.
  await expect.poll(async () => (await device.credentials()).length).toBe(0)
  expect((await latestMail(person.email, 4)).text).toContain('My laptop')
})

test('an authenticator app is set up by the picture, by keys alone, and keeps its page to itself', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await page.goto('/account/security/authenticator')
  // Opening the page makes no key.
  await expect(page.getByTestId('totp-qr')).toHaveCount(0)
  await page.getByRole('button', { name: 'Show the key' }).focus()
  await page.keyboard.press('Enter')
  const uri = await scan(page.getByTestId('totp-qr'))
  expect(uri.protocol).toBe('otpauth:')
  expect(decodeURIComponent(uri.pathname)).toContain(person.email)
  const secret = uri.searchParams.get('secret') ?? ''
  // For those who cannot see the picture: the same key as text.
  expect((await page.getByTestId('totp-key').innerText()).replace(/\s/g, '')).toBe(secret)
  await page.reload()
  expect((await scan(page.getByTestId('totp-qr'))).searchParams.get('secret')).toBe(secret)

  const code = page.getByLabel('6-digit code')
  const right = codeAt(secret)
  await code.fill(right === '000000' ? '111111' : '000000')
  await page.keyboard.press('Enter')
  await expect(page.getByText('That code isn’t right.')).toBeVisible()
  await code.fill(codeAt(secret))
  await page.keyboard.press('Enter')
  await expect(page.getByText('Authenticator app is added')).toBeVisible()
  await page.goto('/account/security/authenticator')
  await expect(page.getByTestId('totp-qr')).toHaveCount(0)
  expect(await page.content()).not.toContain(secret)
})

test('a security key is kept apart from passkeys, and the same one is not added twice', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await addAuthenticator(page, 'key')
  await addPasskey(page, 'Add a security key')
  await expect(page.getByText('two-step sign-in is on.')).toBeVisible()
  await page.getByRole('link', { name: 'Not now' }).click()
  await expect(section(page, 'Security keys').getByRole('listitem')).toHaveCount(1)
  await expect(section(page, 'Passkeys').getByText('You have no passkeys yet.')).toBeVisible()
  await expect(page.getByText('If you lose it, you wait')).toBeVisible()
  await page.getByRole('button', { name: 'Add a security key' }).click()
  await expect(page.getByText('is set up for your account already')).toBeVisible()
  await expect(section(page, 'Security keys').getByRole('listitem')).toHaveCount(1)
})

test('a ceremony that is refused says so in friendly words, and can be begun again', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  const device = await addAuthenticator(page, 'device')
  await device.verifies(false)
  await addPasskey(page)
  await expect(section(page, 'Passkeys').getByRole('alert')).toBeVisible()
  await device.verifies(true)
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await expect(page.getByText('two-step sign-in is on.')).toBeVisible()
})

test('enrolment_by_someone_who_only_stole_a_session_cookie', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await addAuthenticator(page, 'device')
  await page.goto('/account/security')
  await age(page, person)
  // The page still shows its buttons: the verbs ask all the same.
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await expect(section(page, 'Passkeys').getByRole('link', { name: 'Confirm now' })).toBeVisible()
  await page.getByRole('button', { name: 'Add an authenticator app' }).click()
  await expect(section(page, 'Authenticator apps').getByRole('link', { name: 'Confirm now' })).toBeVisible()
  await page.goto('/account/security')
  await expect(page.getByRole('button', { name: 'Add a passkey' })).toHaveCount(0)
  await expect(page.getByRole('link', { name: 'Confirm it’s you' })).toBeVisible()
  const kept = 'SELECT 1 FROM passkey_credentials p JOIN emails e USING (user_id) WHERE e.address = $1'
  expect(await sql(kept, [person.email])).toEqual([])
})

test('two apps have names of their own, and each is removed by itself', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await addApp(page, 'Phone')
  await addApp(page, 'Tablet')
  await expect(section(page, 'Authenticator apps').getByRole('listitem')).toHaveCount(2)
  await page.getByRole('link', { name: 'Remove Phone' }).click()
  await expect(page.getByText('It is your last second factor')).toHaveCount(0)
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  await expect(page.getByText('Phone is removed.')).toBeVisible()
  await expect(section(page, 'Authenticator apps').getByRole('listitem')).toHaveCount(1)
  await page.goto('/account/security/recovery')
  await expect(page.getByText('your authenticator app').first()).toBeVisible()
})

test('a trusted browser is listed and asked again', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await addApp(page, 'Phone')
  await sql(
    `UPDATE devices SET trusted_until = now() + interval '20 days', trust_hash = 'x'
     WHERE user_id = (SELECT user_id FROM emails WHERE address = $1)`,
    [person.email],
  )
  await page.goto('/account/security')
  await expect(section(page, 'Trusted browsers')).toContainText('This browser')
  await page.getByRole('button', { name: /^Ask .* for the second step again$/ }).click()
  await expect(page.getByText('is asked for the second step again.')).toBeVisible()
  await expect(section(page, 'Trusted browsers')).toHaveCount(0)
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('an app is set up, and backup codes are made', async ({ page, person, signUp }) => {
    await signUp(page, person)
    await page.goto('/account/security')
    await expect(page.getByText('Adding a passkey needs JavaScript')).toBeVisible()
    await page.getByRole('button', { name: 'Add an authenticator app' }).click()
    const secret = (await page.getByTestId('totp-key').innerText()).replace(/\s/g, '')
    await page.getByLabel('6-digit code').fill(codeAt(secret))
    await page.getByRole('button', { name: 'Add the app' }).click()
    await expect(page.getByText('two-step sign-in is on.')).toBeVisible()
    await page.getByRole('button', { name: 'Make backup codes' }).click()
    await expect(page.getByRole('list', { name: 'Your backup codes' }).getByRole('listitem')).toHaveCount(10)
  })
})
