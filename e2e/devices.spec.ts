/** What a worried person sees of their devices and sessions, and what their other browsers see of what they do. */
import type { BrowserContext, Page } from '@playwright/test'
import { axe } from './axe'
import { expect, fillSignIn, PORTAL, test } from './fixtures'
import { newPerson, type Person } from './people'

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'

async function signInAt(context: BrowserContext, person: Person, to: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`/signin/start?to=${to}`)
  await fillSignIn(page, person)
  await page.waitForURL(`**${to}`)
  return page
}

/** The page has its line to the server: what happens from now on is heard. */
const listening = (page: Page): Promise<unknown> =>
  page.waitForResponse((answer) => answer.url().endsWith('/api/session/events') && answer.ok())

const clean = async (page: Page): Promise<void> => expect(await axe(page)).toEqual([])

test('a sign-in elsewhere appears on the open page; signed out from there, its own page locks at once', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const heard = listening(page)
  await page.goto('/account/devices')
  await heard
  await expect(page.getByText('No other devices')).toBeVisible()

  const context = await otherBrowser({ userAgent: IPHONE })
  const phone = await signInAt(context, person, '/account/profile')
  const row = page.getByRole('listitem').filter({ hasText: 'Safari' })
  await expect(row).toContainText('iOS')
  await expect(row).toContainText('password')
  await expect(row).toContainText('Unknown')
  await clean(page)

  await row.getByRole('link', { name: 'Safari 18 on iOS 18', exact: true }).click()
  await page.getByLabel('Name of this device').fill('My <b>phone</b>')
  await page.getByRole('button', { name: 'Save name' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'My <b>phone</b>' })).toBeVisible()
  await clean(page)
  await page.getByRole('link', { name: 'Sign out this device' }).click()
  const question = page.getByRole('dialog')
  await expect(question).toContainText('1 session ends.')
  await expect(question).toContainText('No app was entered from there.')
  await expect(phone.getByLabel('Display name')).toBeVisible()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  // What was on the screen is gone, and not just covered.
  await expect(phone.getByRole('heading', { name: 'You are signed out' })).toBeFocused()
  expect(await phone.content()).not.toContain(person.email)
  await expect(phone.getByLabel('Display name')).toHaveCount(0)
  await expect(phone.getByText('ended from another of your devices')).toBeVisible()
  await clean(phone)
  await expect(page.getByText('1 session is signed out.')).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: 'My <b>phone</b>' })).toContainText('Signed out')

  await phone.goBack()
  expect(await phone.content()).not.toContain(person.email)
  await phone.goto('/account/devices')
  await expect(phone).toHaveURL(/\/signin\?flow=/)
  expect((await context.request.get('/api/session')).status()).toBe(401)
  expect((await page.request.get('/api/session')).status()).toBe(200)
})

test('a page that was cut off locks when it is shown again', async ({ page, person, signUp, browser }) => {
  await signUp(page, person)
  // Its console tells of the line that was cut, which is no complaint here.
  const context = await browser.newContext({ baseURL: PORTAL() })
  const there = await signInAt(context, person, '/account/profile')
  await context.setOffline(true)
  await page.goto('/account/devices')
  await page.getByRole('link', { name: 'Sign out all others' }).click()
  await page.getByRole('button', { name: 'Sign out all others' }).click()
  await expect(page.getByText('1 session is signed out.')).toBeVisible()
  await context.setOffline(false)
  // As the browser does when the page is shown again.
  await there.evaluate(() => window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
  await expect(there.getByRole('heading', { name: 'You are signed out' })).toBeVisible()
  expect(await there.content()).not.toContain(person.email)
  await there.getByRole('link', { name: 'Sign in again' }).click()
  await fillSignIn(there, person)
  await there.waitForURL('**/account/profile')
  await context.close()
})

test('devices are found by what is known of them, forgotten, and all signed out from one place', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const contexts = [await otherBrowser({ userAgent: IPHONE }), await otherBrowser(), await otherBrowser()]
  for (const context of contexts) await signInAt(context, person, '/account')
  await page.goto('/account/devices?q=safari')
  await expect(page.locator('#others').getByRole('listitem')).toHaveCount(1)
  await page.getByLabel('Search your devices').fill('no such thing')
  await page.getByRole('button', { name: 'Search' }).click()
  await expect(page.getByText('Nothing found')).toBeVisible()
  await page.getByRole('link', { name: 'Show all' }).click()
  await page.getByRole('link', { name: 'Safari 18 on iOS 18', exact: true }).click()
  await page.getByRole('link', { name: 'Forget', exact: true }).click()
  await page.getByRole('button', { name: 'Forget device' }).click()
  await expect(page.getByText('Safari 18 on iOS 18 is forgotten.')).toBeVisible()
  await expect(page.locator('#others').getByRole('listitem')).toHaveCount(2)
  expect((await contexts[0]?.request.get('/api/session'))?.status()).toBe(401)

  await page.getByRole('link', { name: 'Sign out everywhere' }).click()
  await expect(page.getByRole('dialog')).toContainText('3 sessions end.')
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.waitForURL('**/signed-out')
  for (const context of [...contexts, page.context()]) {
    expect((await context.request.get('/api/session')).status()).toBe(401)
  }
})

test('another_users_device_or_session_cannot_be_seen_or_ended_by_its_id', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const victim = await otherBrowser()
  const theirs = await victim.newPage()
  await signUp(theirs, newPerson())
  const { sid } = (await (await victim.request.get('/api/session')).json()) as { sid: string }
  await theirs.goto('/account/devices')
  const href = (await theirs.locator('#this').getByRole('link').getAttribute('href')) ?? ''
  const device = href.split('/').at(-1) ?? ''
  for (const id of [sid, device]) {
    await page.goto(`/account/devices?confirm=${id}`)
    await expect(page.getByRole('dialog')).toHaveCount(0)
    expect((await page.request.get(`/account/devices/${id}`)).status()).toBe(404)
  }
  expect((await victim.request.get('/api/session')).status()).toBe(200)
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false, viewport: { width: 360, height: 740 } })

  test('a device is named, and everything else is signed out', async ({
    page,
    person,
    signUp,
    otherBrowser,
  }) => {
    await signUp(page, person)
    const context = await otherBrowser({ userAgent: IPHONE, javaScriptEnabled: false })
    const phone = await signInAt(context, person, '/account')
    await page.goto('/account/devices')
    await page.getByRole('link', { name: 'Safari 18 on iOS 18', exact: true }).click()
    await page.getByLabel('Name of this device').fill('Phone')
    await page.getByRole('button', { name: 'Save name' }).click()
    await expect(page.getByText('The name is saved.')).toBeVisible()
    await page.goto('/account/devices')
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    await page.getByRole('link', { name: 'Sign out all others' }).click()
    await page.getByRole('button', { name: 'Sign out all others' }).click()
    await expect(page.getByText('1 session is signed out.')).toBeVisible()
    await phone.reload()
    await expect(phone).toHaveURL(/\/signin\?flow=/)
  })
})
