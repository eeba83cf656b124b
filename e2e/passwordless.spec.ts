import type { Page } from '@playwright/test'
import { expect, test, typeCode } from './fixtures'
import { latestMail, mailsTo } from './mailbox'

async function askForCode(page: Page, address: string): Promise<void> {
  await page.getByLabel('E-mail', { exact: true }).fill(address)
  await page.getByRole('button', { name: 'E-mail me a code instead' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? 'with script' : 'without script', () => {
    test.use({ javaScriptEnabled })

    test('a code by mail signs in', async ({ page, person, signUp, context }) => {
      await signUp(page, person)
      await context.clearCookies({ name: 'gatehouse.session' })
      await page.goto('/signin/start?to=/account/devices')
      await askForCode(page, person.email)
      await typeCode(page, (await latestMail(person.email, 2)).codes[0] ?? '')
      await page.waitForURL('**/account/devices')
      await expect(page.getByText('e-mail code').first()).toBeVisible()
    })

    test('a new address becomes an account without a password', async ({ page, person }) => {
      await page.goto('/signin/start?to=/account')
      await askForCode(page, person.email)
      await typeCode(page, (await latestMail(person.email)).codes[0] ?? '')
      await expect(page.getByText(person.email)).toBeVisible()
      await page.getByLabel('First name').fill(person.firstName)
      await page.getByRole('button', { name: 'Create account' }).click()
      await page.waitForURL('**/account')
      await expect(page.getByRole('heading', { level: 1 })).toContainText(person.firstName)
    })
  })
}

test('the link in the mail signs in where it was asked for, after scanners opened it', async ({
  page,
  person,
  signUp,
  context,
  request,
}) => {
  await signUp(page, person)
  await context.clearCookies({ name: 'gatehouse.session' })
  await page.goto('/signin/start?to=/account')
  await askForCode(page, person.email)
  const mail = await latestMail(person.email, 2)
  const link = mail.links.find((url) => url.includes('/verify/link')) ?? ''
  for (const method of ['GET', 'HEAD', 'GET'])
    expect((await request.fetch(link, { method })).status()).toBe(200)
  await page.goto(link)
  await expect(page.getByText(`This signs ${person.email} in`)).toBeVisible()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/account')
})

test('the link opened elsewhere shows the code and signs nobody in there', async ({
  page,
  person,
  signUp,
  context,
  otherBrowser,
}) => {
  await signUp(page, person)
  await context.clearCookies({ name: 'gatehouse.session' })
  await page.goto('/signin/start?to=/account')
  await askForCode(page, person.email)
  const mail = await latestMail(person.email, 2)
  const elsewhere = await (await otherBrowser()).newPage()
  await elsewhere.goto(mail.links.find((url) => url.includes('/verify/link')) ?? '')
  await expect(elsewhere.getByTestId('verify-code')).toContainText(mail.codes[0] ?? 'no code')
  await expect(elsewhere.getByRole('button', { name: 'Sign in' })).toHaveCount(0)
  await typeCode(page, mail.codes[0] ?? '')
  await page.waitForURL('**/account')
})

test('known and unknown addresses see the same pages and get one mail each', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const unknown = `nobody.${person.email}`
  const texts: string[] = []
  for (const address of [person.email, unknown]) {
    const visitor = await (await otherBrowser()).newPage()
    await visitor.goto('/signin/start')
    await askForCode(visitor, address)
    texts.push(
      (await visitor.locator('main').innerText())
        .replaceAll(address, '')
        .replace(/\d\d:\d\d( UTC)?|\d+ s/g, ''),
    )
  }
  expect(texts[0]).toBe(texts[1])
  await expect.poll(async () => (await mailsTo(unknown)).length).toBe(1)
  await expect.poll(async () => (await mailsTo(person.email)).length).toBe(2)
})

test('a code proves again who is there', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await page.goto('/signin/start?reauth=1&to=/account/profile')
  await page.waitForURL('**/account/profile')
})
