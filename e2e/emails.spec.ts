/** A person's addresses: added, proven, made primary, removed; a change taken back; the account locked. */
import { request as http } from 'node:http'
import type { Page } from '@playwright/test'
import { expect, fillSignIn, PORTAL, test } from './fixtures'
import { latestMail, linkTo, type Mail, mailAbout, mailsTo } from './mailbox'
import { newPerson } from './people'

const PAGE = '/account/emails'
const anAddress = () => newPerson().email

const row = (page: Page, address: string) => page.getByRole('listitem').filter({ hasText: address })
/** Types a new address into the console and waits for the question for its code. */
async function add(page: Page, address: string): Promise<Mail> {
  await page.goto(PAGE)
  await page.getByLabel('E-mail address').fill(address)
  await page.getByRole('button', { name: 'Add address' }).click()
  await expect(page.getByRole('heading', { name: `Confirm ${address}` })).toBeVisible()
  return latestMail(address)
}

async function addAndConfirm(page: Page, address: string): Promise<void> {
  const mail = await add(page, address)
  await page.getByLabel('6-digit code').fill(mail.codes[0] ?? '')
  await page.getByRole('button', { name: 'Confirm address' }).click()
  await expect(page.getByText(`${address} is confirmed.`)).toBeVisible()
}

async function makePrimary(page: Page, address: string): Promise<void> {
  await page.getByRole('link', { name: `Make ${address} primary` }).click()
  await page.getByRole('button', { name: 'Make primary', exact: true }).click()
  await expect(page.getByText(`${address} is your primary address now.`)).toBeVisible()
}

/** As a scanner of links does: no script, no cookies, any method that should be harmless. */
function scan(method: string, link: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = http(link, { method, headers: { 'user-agent': 'LinkScanner/1.0', ...headers } }, (res) => {
      res.resume()
      res.once('end', () => resolve(res.statusCode ?? 0))
    })
    sent.once('error', reject)
    sent.end()
  })
}

async function scanThoroughly(link: string, page: Page): Promise<void> {
  for (const method of ['HEAD', 'GET', 'GET']) expect(await scan(method, link)).toBe(200)
  expect(await scan('GET', link, { 'sec-purpose': 'prefetch;prerender', purpose: 'prefetch' })).toBe(200)
  // In the person's own browser too: a preview pane, a prefetch, an impatient double click.
  for (const path of [link, link]) expect((await page.request.get(path)).status()).toBe(200)
  expect((await page.request.head(link)).status()).toBe(200)
}

test('an address is added, confirmed by its code, and all are told', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await page.goto('/account')
  await page.getByRole('link', { name: 'E-mails', exact: true }).click()
  await expect(row(page, person.email)).toContainText('Primary')
  // Nothing can be done with the only way back.
  await expect(row(page, person.email).getByRole('link')).toHaveCount(0)

  const second = anAddress()
  const mail = await add(page, second)
  await expect(page.getByText(/Send a new code in \d+ s/)).toBeVisible()
  await page.getByLabel('6-digit code').fill('000000')
  await page.getByRole('button', { name: 'Confirm address' }).click()
  await expect(page.getByText('That code isn’t right')).toBeVisible()
  await page.getByLabel('6-digit code').fill(mail.codes[0] ?? '')
  await page.getByRole('button', { name: 'Confirm address' }).click()
  await expect(page.getByText(`${second} is confirmed.`)).toBeVisible()
  await expect(row(page, second)).not.toContainText('Not confirmed')
  for (const to of [person.email, second]) {
    const notice = await mailAbout(to, 'An address was added')
    expect(notice.text).toContain(second)
    expect(new URL(linkTo(notice, '/lockdown')).origin).toBe(PORTAL())
  }
})

test('the link confirms by a press in the browser that asked, however often scanners opened it before', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  const second = anAddress()
  const link = linkTo(await add(page, second), '/verify/address')
  await scanThoroughly(link, page)
  await page.goto(link)
  await expect(page.getByText(`This confirms that ${second} is yours`)).toBeVisible()
  await page.getByRole('button', { name: 'Confirm' }).click()
  await expect(page).toHaveURL(`${PORTAL()}${PAGE}`)
  await expect(page.getByText(`${second} is confirmed.`)).toBeVisible()
  await page.goto(link)
  await expect(page.getByRole('heading', { name: 'This link no longer works' })).toBeVisible()
})

test('in another browser the link shows the code, to be typed where it was asked for', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const second = anAddress()
  const link = linkTo(await add(page, second), '/verify/address')
  const phone = await (await otherBrowser()).newPage()
  await phone.goto(link)
  await expect(phone.getByText('You opened this link in another browser')).toBeVisible()
  await expect(phone.getByRole('button', { name: 'Confirm' })).toHaveCount(0)
  const shown = (await phone.getByTestId('verify-code').innerText()).replace(/\D/g, '').slice(-6)
  await page.getByLabel('6-digit code').fill(shown)
  await page.getByRole('button', { name: 'Confirm address' }).click()
  await expect(page.getByText(`${second} is confirmed.`)).toBeVisible()
})

test('an_address_of_somebody_else_looks_like_any_other_and_its_owner_is_told', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  const owner = newPerson()
  const theirs = await (await otherBrowser()).newPage()
  await signUp(theirs, owner)
  await signUp(page, person)
  const told = await (async () => {
    await page.goto(PAGE)
    await page.getByLabel('E-mail address').fill(owner.email)
    await page.getByRole('button', { name: 'Add address' }).click()
    await expect(page.getByRole('heading', { name: `Confirm ${owner.email}` })).toBeVisible()
    return mailAbout(owner.email, 'tried to use your address')
  })()
  expect(told.codes).toEqual([])
  const looks = async (address: string) =>
    (await page.locator('main').innerText())
      .replaceAll(address, 'ADDRESS')
      .replace(/\d+ s\b/g, 'N s')
      .replace(/\d\d:\d\d( UTC)?/g, 'HH:MM')
  await expect(page.getByText(/Send a new code in/)).toBeVisible()
  const taken = await looks(owner.email)

  const other = await (await otherBrowser()).newPage()
  const someone = newPerson()
  await signUp(other, someone)
  const free = anAddress()
  await add(other, free)
  const shape = (await other.locator('main').innerText())
    .replaceAll(free, 'ADDRESS')
    .replaceAll(someone.email, person.email)
    .replace(/\d+ s\b/g, 'N s')
    .replace(/\d\d:\d\d( UTC)?/g, 'HH:MM')
  expect(taken).toBe(shape)
})

test('a change of the primary is told to the old address, which takes it back with one link', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const second = anAddress()
  await addAndConfirm(page, second)
  await makePrimary(page, second)
  await expect(row(page, second)).toContainText('Primary')
  const mail = await mailAbout(person.email, 'primary address was changed')
  expect(linkTo(await mailAbout(second, 'primary address was changed'), '/undo')).toBe('')

  const link = linkTo(mail, '/undo')
  await scanThoroughly(link, page)
  await expect(row(page, second)).toContainText('Primary')
  const context = await otherBrowser()
  const home = await context.newPage()
  await home.goto(link)
  await expect(home.getByText(`was changed from ${person.email} to ${second}`)).toBeVisible()
  await expect(home.getByText(`or since, and are removed: ${second}`)).toBeVisible()
  await home.getByRole('button', { name: 'Take it back' }).click()
  await expect(home.getByRole('heading', { name: 'The change is taken back' })).toBeVisible()

  expect((await page.request.get('/api/session')).status()).toBe(401)
  await home.goto(link)
  await expect(home.getByRole('heading', { name: 'This link no longer works' })).toBeVisible()
  // The password is worth nothing until the old address chose another: who changed the address knew it.
  await home.goto(`/signin/start?to=${PAGE}`)
  await fillSignIn(home, person)
  await expect(home.getByText('That e-mail and password don’t match')).toBeVisible()
  await home.goto('/forgot')
  await home.getByLabel('E-mail').fill(person.email)
  await home.getByRole('button', { name: 'Send the link' }).click()
  await home.goto(linkTo(await mailAbout(person.email, 'Choose a new password'), '/reset'))
  const password = 'copper-lantern-meadow-tide'
  await home.getByLabel('New password').fill(password)
  await home.getByRole('button', { name: 'Set the new password' }).click()
  await expect(home.getByRole('heading', { name: 'Your new password is set' })).toBeVisible()
  await home.goto(`/signin/start?to=${PAGE}`)
  await fillSignIn(home, { ...person, password })
  await expect(row(home, person.email)).toContainText('Primary')
  await expect(row(home, second)).toHaveCount(0)
})

test('“this wasn’t me” says what it does, locks the account, and works once', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const second = anAddress()
  await addAndConfirm(page, second)
  const link = linkTo(await mailAbout(person.email, 'An address was added'), '/lockdown')
  await scanThoroughly(link, page)
  expect((await page.request.get('/api/session')).status()).toBe(200)

  const context = await otherBrowser()
  const home = await context.newPage()
  await home.goto(link)
  for (const words of [
    'Everybody is signed out',
    'Apps lose their access',
    `or since, and are removed: ${second}`,
  ])
    await expect(home.getByText(words)).toBeVisible()
  await home.getByRole('button', { name: 'Lock my account' }).click()
  await expect(home.getByRole('heading', { name: 'Your account is locked' })).toBeVisible()
  expect((await page.request.get('/api/session')).status()).toBe(401)
  await mailAbout(person.email, 'Your account is locked')

  await home.goto('/signin/start?to=/account')
  await fillSignIn(home, person)
  await expect(home.getByText('That e-mail and password don’t match')).toBeVisible()
  await home.goto(link)
  await expect(home.getByRole('heading', { name: 'This link no longer works' })).toBeVisible()
  // The page that says what was done says nothing to who did nothing.
  await (await otherBrowser()).newPage().then(async (stranger) => {
    await stranger.goto('/lockdown/done')
    await expect(stranger.getByText('Your account is locked')).toHaveCount(0)
  })
})

test('links_lead_to_the_public_origin_whatever_host_was_asked_for', async ({ page, person, signUp }) => {
  await signUp(page, person)
  const poison = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example',
  }
  await page.setExtraHTTPHeaders(poison)
  const second = anAddress()
  const mail = await add(page, second)
  await page.getByLabel('6-digit code').fill(mail.codes[0] ?? '')
  await page.getByRole('button', { name: 'Confirm address' }).click()
  await expect(page.getByText(`${second} is confirmed.`)).toBeVisible()
  for (const { links, html } of [...(await mailsTo(second)), ...(await mailsTo(person.email))]) {
    for (const link of links) expect(new URL(link).origin).toBe(PORTAL())
    expect(html).not.toContain('evil.example')
  }
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('addresses are added, confirmed, made primary and removed', async ({ page, person, signUp }) => {
    await signUp(page, person)
    const second = anAddress()
    await addAndConfirm(page, second)
    await makePrimary(page, second)
    await page.getByRole('link', { name: `Remove ${person.email}` }).click()
    await page.getByRole('button', { name: 'Remove', exact: true }).click()
    await expect(page.getByText(`${person.email} is removed.`)).toBeVisible()
    await expect(row(page, person.email)).toHaveCount(0)
    const notice = await mailAbout(person.email, 'An address was removed')
    expect(notice.links).toEqual([])
  })
})
