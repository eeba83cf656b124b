import { DEMO, expect, fillSignUp, PORTAL, test, typeCode } from './fixtures'
import { mailsTo } from './mailbox'

test('sign up with the code from the mail', async ({ page, person, mailTo }) => {
  await page.goto('/')
  await page.getByRole('link', { name: 'Create account' }).first().click()
  await fillSignUp(page, person)
  await typeCode(page, (await mailTo(person.email)).codes[0] ?? '')
  await page.waitForURL('**/account')
  await expect(page.getByRole('heading', { level: 1 })).toContainText(person.firstName)
})

test('sign up with the link from the mail, opened by scanners first', async ({
  page,
  person,
  mailTo,
  request,
}) => {
  await page.goto('/signup')
  await fillSignUp(page, person)
  const link = (await mailTo(person.email)).links.find((url) => url.includes('/verify/link')) ?? ''
  expect(new URL(link).origin).toBe(PORTAL())
  for (const method of ['GET', 'HEAD', 'GET'] as const) {
    expect((await request.fetch(link, { method, headers: { purpose: 'prefetch' } })).status()).toBe(200)
  }
  await page.goto(link)
  await page.getByRole('button', { name: 'Confirm' }).click()
  await page.waitForURL('**/account')
})

test('a link opened in another browser shows the code and signs nobody in there', async ({
  page,
  person,
  mailTo,
  otherBrowser,
}) => {
  await page.goto('/signup')
  await fillSignUp(page, person)
  const mail = await mailTo(person.email)
  const elsewhere = await (await otherBrowser()).newPage()
  await elsewhere.goto(mail.links.find((url) => url.includes('/verify/link')) ?? '')
  await expect(elsewhere.getByRole('heading', { name: 'Almost there' })).toBeVisible()
  await expect(elsewhere.getByText(mail.codes[0]?.slice(0, 3) ?? 'no code').first()).toBeVisible()
  await expect(elsewhere.getByRole('button', { name: 'Confirm' })).toHaveCount(0)
  await elsewhere.goto('/account')
  await expect(elsewhere).toHaveURL(/\/signin/)
  await typeCode(page, mail.codes[0] ?? '')
  await page.waitForURL('**/account')
})

test('a link opened a second time says that it is over', async ({ page, person, mailTo }) => {
  await page.goto('/signup')
  await fillSignUp(page, person)
  const mail = await mailTo(person.email)
  const link = mail.links.find((url) => url.includes('/verify/link')) ?? ''
  await page.goto(link)
  await page.getByRole('button', { name: 'Confirm' }).click()
  await page.waitForURL('**/account')
  await page.goto(link)
  await expect(page.getByRole('heading', { name: 'This link no longer works' })).toBeVisible()
})

test('a typo in the address is mended by going back', async ({ page, person, mailTo }) => {
  await page.goto('/signup')
  await fillSignUp(page, { ...person, email: `typo.${person.email}` })
  await page.getByRole('link', { name: 'Use another address' }).click()
  await expect(page.getByLabel('First name')).toHaveValue(person.firstName)
  await page.getByLabel('E-mail').fill(person.email)
  await page.getByLabel('Password', { exact: true }).fill(person.password)
  await page.getByRole('button', { name: 'Create account' }).click()
  await typeCode(page, (await mailTo(person.email)).codes[0] ?? '')
  await page.waitForURL('**/account')
})

test('wrong codes are refused in words, and the right one still works before the fifth', async ({
  page,
  person,
  mailTo,
}) => {
  await page.goto('/signup')
  await fillSignUp(page, person)
  const code = (await mailTo(person.email)).codes[0] ?? ''
  const wrong = code === '000000' ? '000001' : '000000'
  await typeCode(page, wrong)
  await expect(page.getByText('That code isn’t right')).toBeVisible()
  await expect(page.getByLabel('6-digit code')).toHaveAttribute('aria-invalid', 'true')
  await typeCode(page, `${code.slice(0, 3)} ${code.slice(3)}`)
  await page.waitForURL('**/account')
})

test('an address that has an account looks like any other, and its owner is told', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const stranger = await (await otherBrowser()).newPage()
  await stranger.goto('/signup')
  await fillSignUp(stranger, { ...person, firstName: 'Mallory', password: 'a strangers long password' })
  await expect(stranger.getByText(person.email)).toBeVisible()
  await expect
    .poll(async () => (await mailsTo(person.email)).some((mail) => /already/i.test(mail.subject + mail.text)))
    .toBe(true)
  await typeCode(stranger, '123456')
  await expect(stranger.getByText('That code isn’t right')).toBeVisible()
})

test('passwords that are guessed first are refused beside the field', async ({ page, person }) => {
  await page.goto('/signup')
  for (const [password, words] of [
    ['password123', 'Many people use this password'],
    [`${person.email.split('@')[0]}-99`, 'contains your name'],
  ] as const) {
    await page.getByLabel('First name').fill(person.firstName)
    await page.getByLabel('E-mail').fill(person.email)
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Create account' }).click()
    await expect(page.getByText(words)).toBeVisible()
    await expect(page.getByLabel('Password', { exact: true })).toHaveAttribute('aria-invalid', 'true')
    await expect(page.getByLabel('E-mail')).toHaveValue(person.email)
  }
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('sign-up, consent, sign-out and sign-in work', async ({ page, person, mailTo }) => {
    await page.goto(DEMO())
    await page.getByRole('link', { name: 'Sign in', exact: true }).click()
    await page.getByRole('link', { name: 'Create account' }).click()
    await fillSignUp(page, person)
    await typeCode(page, (await mailTo(person.email)).codes[0] ?? '')
    await page.getByRole('button', { name: 'Allow' }).click()
    await expect(page).toHaveURL(new RegExp(`^${DEMO()}`))
    await expect(page.getByText(person.email).first()).toBeVisible()
    await page.goto(`${PORTAL()}/signout`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await expect(page.getByRole('heading', { name: 'You’re signed out' })).toBeVisible()
    await page.goto(`${PORTAL()}/account`)
    await page.getByLabel('E-mail').fill(person.email)
    await page.getByLabel('Password', { exact: true }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expect(page).toHaveURL(`${PORTAL()}/account`)
  })
})
