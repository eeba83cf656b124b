import { expect, fillSignIn, test } from './fixtures'
import { png } from './pictures'

test('the overview tells what happened last, also what failed', async ({
  page,
  person,
  signUp,
  signIn,
  otherBrowser,
}) => {
  await signUp(page, person)
  const elsewhere = await (await otherBrowser()).newPage()
  await elsewhere.goto('/signin/start')
  await fillSignIn(elsewhere, { ...person, password: 'not the password' })
  await elsewhere.getByText('don’t match').waitFor()
  await signIn(elsewhere, person)
  await page.reload()
  const recent = page.locator('#recent')
  await expect(recent.getByText('Sign-in failed')).toHaveCount(1)
  await expect(recent.getByText(/^Signed in with/)).toHaveCount(2)
})

test('the profile is changed, kept, and shown', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await page.getByRole('link', { name: 'Profile', exact: true }).click()
  await page.getByLabel('Display name').fill('The Countess')
  await page.getByLabel('Timezone', { exact: true }).selectOption('Europe/Zurich')
  await page.getByRole('button', { name: 'Save changes' }).click()
  await expect(page.getByText('Your profile is saved.')).toBeVisible()
  await page.reload()
  await expect(page.getByLabel('Display name')).toHaveValue('The Countess')
  await expect(page.getByLabel('Timezone', { exact: true })).toHaveValue('Europe/Zurich')
})

test('a picture is cut, re-encoded and served; what is no picture is refused', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await page.goto('/account/profile')
  const file = page.locator('input[type=file]')
  await file.setInputFiles({
    name: 'me.svg',
    mimeType: 'image/png',
    buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
  })
  await page.getByRole('button', { name: 'Save picture' }).click()
  await expect(page.getByText('isn’t a picture we can read').first()).toBeVisible()
  await file.setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: png(640, 480) })
  await page.getByRole('button', { name: 'Save picture' }).click()
  await expect(page.getByText('Your picture is saved.')).toBeVisible()
  const src = (await page.getByRole('img', { name: 'Your picture' }).first().getAttribute('src')) ?? ''
  const answer = await page.request.get(src)
  expect(answer.headers()['content-type']).toBe('image/webp')
  expect(answer.headers()['content-security-policy']).toContain("default-src 'none'")
})

test('signing out ends the session for good: Back and the copied cookie show nothing', async ({
  page,
  person,
  signUp,
  context,
  request,
}) => {
  await signUp(page, person)
  const stolen = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
  await page.goto('/signout')
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'You’re signed out' })).toBeVisible()
  await page.evaluate(() => history.go(-2))
  await page.waitForURL('**/signin?**')
  await expect(page.getByText(person.email)).toHaveCount(0)
  expect((await request.get('/api/session', { headers: { cookie: stolen } })).status()).toBe(401)
})

test('the session check tells apps and proxies who is signed in', async ({ page, person, signUp }) => {
  await signUp(page, person)
  const answer = await page.request.get('/api/session')
  expect(answer.headers()['cache-control']).toBe('no-store')
  expect(await answer.json()).toMatchObject({ userId: expect.any(String), roles: ['user'], amr: ['pwd'] })
  const next = await page.request.get('/api/auth/session')
  expect(await next.json()).toMatchObject({ user: { roles: ['user'] }, amr: ['pwd'] })
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('the profile saves', async ({ page, person, signUp }) => {
    await signUp(page, person)
    await page.goto('/account/profile')
    await page.getByLabel('Display name').fill('No Script')
    await page.getByRole('button', { name: 'Save changes' }).click()
    await page.goto('/account/profile')
    await expect(page.getByLabel('Display name')).toHaveValue('No Script')
  })
})
