/** The end of an account as its person sees it: a copy taken along, closed, kept after all; and what is left with apps. */
import { age } from './aging'
import { DEMO, expect, fillSignIn, fillSignUp, PORTAL, test, typeCode } from './fixtures'
import { linkTo, mailAbout, mailsTo } from './mailbox'

const PAGE = '/account/data'

test('closes an account and keeps it after all; apps and other browsers have nothing of it meanwhile', async ({
  page,
  person,
  signUp,
  signIn,
  otherBrowser,
}) => {
  await signUp(page, person)
  const elsewhere = await (await otherBrowser()).newPage()
  await elsewhere.goto(DEMO())
  await elsewhere.locator('#sign-in').click()
  await fillSignIn(elsewhere, person)
  await elsewhere.getByRole('button', { name: 'Allow' }).click()
  await expect(elsewhere.locator('#greeting')).toContainText(person.firstName)
  const cookies = await page.context().cookies()

  await page.goto('/account')
  await page.getByRole('navigation', { name: 'Account' }).getByRole('link', { name: 'Your data' }).click()
  await expect(page.getByText('One app loses its access')).toBeVisible()
  const confirm = page.getByLabel(`To confirm, type ${person.email}`)
  await confirm.fill('nobody@example.com')
  await page.getByRole('button', { name: 'Delete my account' }).click()
  await expect(page.getByText('That is not the primary address of this account.')).toBeVisible()
  expect((await page.request.get('/api/session')).status()).toBe(200)
  await confirm.fill(person.email)
  await page.getByRole('button', { name: 'Delete my account' }).click()
  await expect(page.getByRole('heading', { name: 'Your account is closed' })).toBeVisible()
  await expect(page.getByText('Until then you can keep the account')).toBeVisible()

  // A copied cookie, another browser and an app: nothing, at once.
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  expect((await page.request.get('/api/session', { headers: { cookie } })).status()).toBe(401)
  expect((await elsewhere.request.get(`${PORTAL()}/api/session`)).status()).toBe(401)
  await expect(async () => {
    await elsewhere.goto(DEMO())
    expect(await elsewhere.locator('#sign-in').count()).toBe(1)
  }).toPass()
  await page.goBack()
  await expect(page).toHaveURL(/\/signin/)

  // The right password leads nowhere, in the words of a wrong one.
  await page.goto('/signin/start?to=/account')
  await fillSignIn(page, person)
  await expect(page.getByText('don’t match')).toBeVisible()

  const mail = await mailAbout(person.email, 'closed')
  await page.goto(linkTo(mail, '/keep'))
  await expect(page.getByText(`The account of ${person.email} is closed`)).toBeVisible()
  await page.getByRole('button', { name: 'Keep my account' }).click()
  await expect(page.getByRole('heading', { name: 'Your account is open again' })).toBeVisible()
  await page.goto(linkTo(mail, '/keep'))
  await expect(page.getByRole('heading', { name: 'This link no longer works' })).toBeVisible()
  await mailAbout(person.email, 'kept')
  await signIn(page, person)
  await expect(page.getByRole('heading', { name: `Hello, ${person.firstName}` })).toBeVisible()
  // It allows that app nothing until it is asked again.
  await page.goto('/account/apps')
  await expect(page.getByText('Gatehouse demo')).toHaveCount(0)
})

test('without script, and with the address free for a new account that has nothing of the old one', async ({
  person,
  signUp,
  otherBrowser,
}) => {
  const context = await otherBrowser({ javaScriptEnabled: false })
  const page = await context.newPage()
  await signUp(page, person)
  const first = await (await context.request.get(`${PORTAL()}/api/session`)).json()
  await page.goto(PAGE)
  await page.getByLabel(`To confirm, type ${person.email}`).fill(person.email)
  await page.getByRole('button', { name: 'Delete my account' }).click()
  await expect(page.getByRole('heading', { name: 'Your account is closed' })).toBeVisible()
  const link = linkTo(await mailAbout(person.email, 'closed'), '/keep')

  const second = await (await otherBrowser()).newPage()
  const codes = async () => (await mailsTo(person.email)).flatMap((mail) => mail.codes)
  const before = (await codes()).length
  await second.goto('/signin/start?to=/account&page=signup')
  await fillSignUp(second, { ...person, firstName: 'Second' })
  await expect.poll(async () => (await codes()).length).toBe(before + 1)
  await typeCode(second, (await codes())[0] ?? '')
  await second.waitForURL('**/account')
  const after = await (await second.context().request.get(`${PORTAL()}/api/session`)).json()
  expect(after.sub ?? after.userId).not.toBe(first.sub ?? first.userId)
  await second.goto('/account/activity')
  await expect(second.getByText('Account closed')).toHaveCount(0)
  // The old one has no address any more that is not somebody's.
  await page.goto(link)
  await page.getByRole('button', { name: 'Keep my account' }).click()
  await expect(page.getByText('belongs to')).toBeVisible()
})

test('an old proof is asked for again, and what was typed is still there', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await page.goto(PAGE)
  await page.getByLabel(`To confirm, type ${person.email}`).fill(person.email)
  await age(page, person)
  await page.getByRole('button', { name: 'Delete my account' }).click()
  await page.getByRole('link', { name: 'Confirm now' }).click()
  await page.getByLabel('Password', { exact: true }).fill(person.password)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByText('What you typed is still here')).toBeVisible()
  await expect(page.getByLabel(`To confirm, type ${person.email}`)).toHaveValue(person.email)
  await age(page, person)
  await page.goto(PAGE)
  await expect(page.getByRole('button', { name: 'Delete my account' })).toHaveCount(0)
  await expect(page.getByRole('link', { name: 'Confirm now' })).toBeVisible()
})

test('a copy says everything about its owner, no secret, and nothing to anybody else', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  await page.goto(PAGE)
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download account' }).click(),
  ])
  expect(download.suggestedFilename()).toMatch(/^account-\d{4}-\d\d-\d\d\.json$/)
  const answer = await page.request.get('/account/data/export')
  expect(answer.headers()['cache-control']).toBe('no-store')
  const copy = await answer.json()
  expect(copy.profile.firstName).toBe(person.firstName)
  expect(copy.emails).toEqual([expect.objectContaining({ address: person.email, isPrimary: true })])
  expect(copy.waysIn.password).toBe(true)
  expect(copy.sessions).toHaveLength(1)
  expect(await answer.text()).not.toMatch(/argon2|secret|hash|token_hash|sealed/i)
  const stranger = await otherBrowser()
  const refused = await stranger.request.get('/account/data/export', { maxRedirects: 0 })
  expect(refused.status()).toBe(303)
  expect(refused.headers().location).toContain('/signin/start')
})
