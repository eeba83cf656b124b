import { expect, fillSignIn, PORTAL, test } from './fixtures'
import { png } from './pictures'

test('the overview tells the last sign-ins, the failed ones too', async ({
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
  await expect(recent.getByText('Signed in', { exact: true })).toHaveCount(2)
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

test('another session is listed, ended, and its next click lands on sign-in', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const context = await otherBrowser({
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
  })
  const phone = await context.newPage()
  await phone.goto('/signin/start?to=/account/profile')
  await fillSignIn(phone, person)
  await phone.waitForURL('**/account/profile')

  await page.goto('/account/devices')
  const row = page.getByRole('listitem').filter({ hasText: 'Safari' }).first()
  await expect(row).toContainText('iOS')
  await expect(row).toContainText('password')
  await row.getByRole('link', { name: /Sign out/ }).click()
  await expect(page.getByText('Its next click lands on the sign-in page')).toBeVisible()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await expect(page.getByText('That session is signed out')).toBeVisible()

  await phone.getByRole('link', { name: 'Devices', exact: true }).click()
  await expect(phone).toHaveURL(/\/signin\?flow=/)
  expect((await context.request.get('/api/session')).status()).toBe(401)
  expect((await page.request.get('/api/session')).status()).toBe(200)
})

test('signing out all others ends them and leaves this one', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const others = [await otherBrowser(), await otherBrowser()]
  for (const context of others) {
    const there = await context.newPage()
    await there.goto('/signin/start?to=/account')
    await fillSignIn(there, person)
    await there.waitForURL('**/account')
  }
  await page.goto('/account/devices')
  await page.getByRole('link', { name: 'Sign out all others' }).click()
  await page.getByRole('button', { name: 'Sign out all others' }).click()
  await expect(page.getByText('2 other sessions are signed out.')).toBeVisible()
  for (const context of others) expect((await context.request.get('/api/session')).status()).toBe(401)
  expect((await page.request.get('/api/session')).status()).toBe(200)
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

test('another_users_session_cannot_be_ended_by_its_id', async ({ page, person, signUp, otherBrowser }) => {
  await signUp(page, person)
  const victim = await otherBrowser()
  const theirs = await victim.newPage()
  await theirs.goto(PORTAL())
  const { newPerson } = await import('./people')
  await signUp(theirs, newPerson())
  const { sid } = (await (await victim.request.get('/api/session')).json()) as { sid: string }
  await page.goto(`/account/devices?confirm=${sid}`)
  await expect(page.getByRole('button', { name: 'Sign out', exact: true })).toHaveCount(0)
  expect((await victim.request.get('/api/session')).status()).toBe(200)
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('the profile saves and sessions end', async ({ page, person, signUp }) => {
    await signUp(page, person)
    await page.goto('/account/profile')
    await page.getByLabel('Display name').fill('No Script')
    await page.getByRole('button', { name: 'Save changes' }).click()
    await page.goto('/account/profile')
    await expect(page.getByLabel('Display name')).toHaveValue('No Script')
  })
})
