/** Ways back in: the forgotten password, its change, delayed recovery, trusted contacts, the rehearsal. */
import type { BrowserContext, Page } from '@playwright/test'
import { age, sql } from './aging'
import { expect, fillSignIn, PORTAL, test } from './fixtures'
import { type Mail, mailsTo } from './mailbox'
import { newPerson, type Person } from './people'

const NEW_PASSWORD = 'copper-lantern-meadow-tide'

/**
 * Links that were taken out of somebody's mails: a mail that is still on its way must not be taken for the one before.
 * Two people may get the same link.
 */
const taken = new Set<string>()

/**
 * The newest mail to an address with a link that was not asked for before.
 * @param path what the link's path looks like
 * @param subject words of the mail's subject
 */
async function mailLinking(
  address: string,
  path: RegExp,
  subject = '',
): Promise<{ mail: Mail; link: string }> {
  const found: { mail: Mail; link: string }[] = []
  const name = (url: string) => `${address} ${url}`
  const arrived = async () => {
    for (const mail of await mailsTo(address)) {
      const link = mail.links.find((url) => path.test(new URL(url).pathname) && !taken.has(name(url)))
      if (link && mail.subject.includes(subject)) found.push({ mail, link })
    }
    return found.length
  }
  await expect.poll(arrived, { timeout: 15_000 }).toBeGreaterThan(0)
  const [newest] = found
  if (!newest) throw new Error('no mail')
  taken.add(name(newest.link))
  return newest
}

/** Asks for a link in this browser and gives it. */
async function forgot(page: Page, email: string): Promise<string> {
  await page.goto('/forgot')
  await page.getByLabel('E-mail').fill(email)
  await page.getByRole('button', { name: 'Send the link' }).click()
  await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible()
  return (await mailLinking(email, /^\/reset$/)).link
}

async function choose(page: Page, password: string): Promise<void> {
  await page.getByLabel('New password').fill(password)
  await page.getByRole('button', { name: 'Set the new password' }).click()
}

const isSignedIn = async (context: BrowserContext): Promise<boolean> =>
  (await context.request.get('/api/session')).status() === 200

/** Moves a person's recovery to the end of its waiting time. */
const ripen = ({ email }: Person) =>
  sql(
    `UPDATE recovery_requests SET ready_at = now() - interval '1 second'
     WHERE user_id = (SELECT user_id FROM emails WHERE address = $1)`,
    [email],
  )

/** Somebody with nothing but an address asks; gives the browser at the page that waits. */
async function askToRecover(page: Page, email: string): Promise<void> {
  await page.goto('/signin/start')
  await page.getByRole('link', { name: 'Forgot password?' }).click()
  await page.getByRole('link', { name: 'Recover your account' }).click()
  await page.getByLabel('E-mail').fill(email)
  await page.getByRole('button', { name: 'Start the recovery' }).click()
  await expect(page.getByRole('heading', { name: 'Now it takes some time' })).toBeVisible()
}

test('a forgotten password is chosen anew; everybody is signed out; signing in works', async ({
  page,
  person,
  signUp,
  context,
  otherBrowser,
}) => {
  await signUp(page, person)
  const stolen = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
  const elsewhere = await otherBrowser()
  const there = await elsewhere.newPage()
  await there.goto('/signin/start?to=/account')
  await there.getByLabel('E-mail').fill(person.email)
  await there.getByRole('link', { name: 'Forgot password?' }).click()
  const link = await forgot(there, person.email)
  expect(new URL(link).origin).toBe(PORTAL())

  // Scanners open links too.
  for (const method of ['HEAD', 'GET', 'GET']) {
    expect((await elsewhere.request.fetch(link, { method, headers: { purpose: 'prefetch' } })).status()).toBe(
      200,
    )
  }
  await there.goto(link)
  await expect(there.getByText(person.email)).toBeVisible()
  await expect(there.getByText('All your devices and apps are signed out')).toBeVisible()
  await choose(there, 'password1234')
  await expect(there.getByText('Many people use this password')).toBeVisible()
  await choose(there, NEW_PASSWORD)
  await expect(there.getByRole('heading', { name: 'Your new password is set' })).toBeVisible()

  expect(await isSignedIn(elsewhere)).toBe(false)
  expect(await isSignedIn(context)).toBe(false)
  const bare = await otherBrowser()
  expect((await bare.request.get('/api/session', { headers: { cookie: stolen } })).status()).toBe(401)
  await mailLinking(person.email, /^\/lockdown$/, 'password was reset')

  await there.goto(link)
  await expect(there.getByRole('heading', { name: 'This link no longer works' })).toBeVisible()
  await there.goto('/signin/start?to=/account')
  await fillSignIn(there, person)
  await expect(there.getByText('don’t match')).toBeVisible()
  await fillSignIn(there, { ...person, password: NEW_PASSWORD })
  await there.waitForURL('**/account')
})

test('nobody_can_tell_from_the_pages_who_has_an_account', async ({ page, person, signUp, otherBrowser }) => {
  await signUp(page, person)
  const unknown = newPerson().email
  const seen: string[] = []
  for (const email of [person.email, unknown]) {
    const there = await (await otherBrowser()).newPage()
    await there.goto('/forgot')
    await there.getByLabel('E-mail').fill(email)
    const [answer] = await Promise.all([
      there.waitForResponse((response) => response.request().method() === 'POST'),
      there.getByRole('button', { name: 'Send the link' }).click(),
    ])
    await expect(there.getByRole('heading', { name: 'Check your mail' })).toBeVisible()
    const words = (await there.locator('main').innerText()).replaceAll(email, '(address)')
    seen.push(`${answer.status()} ${answer.headers().location ?? ''} ${words}`)
    await expect.poll(async () => (await mailsTo(email)).length).toBe(email === unknown ? 1 : 2)
  }
  expect(seen[0]).toBe(seen[1])
  const [mail] = await mailsTo(unknown)
  expect(mail?.links.some((link) => link.includes('token='))).toBe(false)
})

test('the link keeps out of other sites and out of the log', async ({ page, person, signUp, context }) => {
  await signUp(page, person)
  await context.clearCookies()
  const link = await forgot(page, person.email)
  await page.goto(link)
  await expect(page.locator('meta[name=referrer]')).toHaveAttribute('content', 'strict-origin')
  const token = new URL(link).searchParams.get('token') ?? ''
  const [asked] = await Promise.all([
    page.waitForRequest((request) => request.method() === 'POST'),
    choose(page, NEW_PASSWORD),
  ])
  expect((await asked.allHeaders()).referer ?? '').not.toContain(token)
})

test('posts_from_elsewhere_reset_and_stop_nothing', async ({ context }) => {
  for (const at of [
    '/forgot/submit',
    '/reset/submit',
    '/recover/submit',
    '/recover/finish/submit',
    '/recover/stop/submit',
  ]) {
    for (const origin of ['https://evil.example', 'null', undefined]) {
      const answer = await context.request.post(`${PORTAL()}${at}`, {
        form: { token: 'x'.repeat(43), email: 'a@example.com' },
        headers: origin ? { origin } : {},
        maxRedirects: 0,
      })
      expect(answer.status(), `${at} from ${origin}`).toBe(403)
    }
  }
})

test('the password is changed in the console, and other sessions end unless told otherwise', async ({
  page,
  person,
  signUp,
  context,
  otherBrowser,
}) => {
  await signUp(page, person)
  const elsewhere = await otherBrowser()
  const there = await elsewhere.newPage()
  await there.goto('/signin/start?to=/account')
  await fillSignIn(there, person)
  await there.waitForURL('**/account')
  const before = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')

  await page.getByRole('link', { name: 'Security', exact: true }).click()
  await page.getByLabel('New password').fill('short')
  await page.getByLabel('New password').evaluate((field) => field.removeAttribute('minlength'))
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('Use at least 10 characters').first()).toBeVisible()
  await expect(page.getByLabel('Sign out everywhere else')).toBeChecked()
  await page.getByLabel('New password').fill(NEW_PASSWORD)
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('one other session is signed out')).toBeVisible()

  expect(await isSignedIn(context)).toBe(true)
  expect(await isSignedIn(elsewhere)).toBe(false)
  const bare = await otherBrowser()
  expect((await bare.request.get('/api/session', { headers: { cookie: before } })).status()).toBe(401)
  await mailLinking(person.email, /^\/lockdown$/, 'password was changed')
})

test('after a while the console asks for the old password, or for a fresh sign-in', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await age(page, person)
  await page.goto('/account/security')
  await expect(page.getByLabel('Current password')).toBeVisible()

  await page.getByLabel('Current password').fill('not the password')
  await page.getByLabel('New password').fill(NEW_PASSWORD)
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('isn’t your current password').first()).toBeVisible()
  await page.getByLabel('Current password').fill(person.password)
  await page.getByLabel('New password').fill(NEW_PASSWORD)
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('Your password is changed')).toBeVisible()
})

test('a delayed recovery without veto leads to a new password and not into the account', async ({
  page,
  person,
  signUp,
  context,
  otherBrowser,
}) => {
  await signUp(page, person)
  const lost = await otherBrowser()
  const there = await lost.newPage()
  await askToRecover(there, person.email)
  const link = there.url()
  await mailLinking(person.email, /^\/recover\/stop$/)
  await there.reload()
  await expect(there.getByRole('heading', { name: 'Now it takes some time' })).toBeVisible()

  await ripen(person)
  await there.goto(link)
  await expect(there.getByText('The waiting time for the account')).toBeVisible()
  await choose(there, NEW_PASSWORD)
  await expect(there.getByRole('heading', { name: 'Your account is recovered' })).toBeVisible()
  expect(await isSignedIn(lost)).toBe(false)
  expect(await isSignedIn(context)).toBe(false)
  await there.goto(link)
  await expect(there.getByRole('heading', { level: 1 })).not.toHaveText('Choose a new password')
  await there.goto('/signin/start?to=/account')
  await fillSignIn(there, { ...person, password: NEW_PASSWORD })
  await there.waitForURL('**/account')
})

test('a delayed recovery is stopped from the banner of a session, with one press', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const there = await (await otherBrowser()).newPage()
  await askToRecover(there, person.email)
  await mailLinking(person.email, /^\/recover\/stop$/)
  // Also for somebody who only walks from page to page.
  await page.getByRole('link', { name: 'Profile', exact: true }).click()
  await expect(page.getByText('Somebody wants to recover this account')).toBeVisible()
  await page.getByRole('link', { name: 'Devices', exact: true }).click()
  await expect(page.getByText('Somebody wants to recover this account')).toBeVisible()
  await page.getByRole('button', { name: 'Stop the recovery' }).click()
  await expect(page.getByRole('heading', { name: 'The recovery is stopped' })).toBeVisible()
  await page.goto('/account')
  await expect(page.getByText('Somebody wants to recover this account')).toHaveCount(0)
  await ripen(person)
  await there.reload()
  await expect(there.getByRole('button', { name: 'Set the new password' })).toHaveCount(0)
})

test('a delayed recovery is stopped from a notice, in a browser that is signed in nowhere', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const there = await (await otherBrowser()).newPage()
  await askToRecover(there, person.email)
  const { link } = await mailLinking(person.email, /^\/recover\/stop$/)
  const mailReader = await otherBrowser()
  for (const method of ['HEAD', 'GET']) {
    expect((await mailReader.request.fetch(link, { method })).status()).toBe(200)
  }
  const reader = await mailReader.newPage()
  await reader.goto(link)
  await reader.getByRole('button', { name: 'Stop the recovery' }).click()
  await expect(reader.getByRole('heading', { name: 'The recovery is stopped' })).toBeVisible()
  await reader.goto(link)
  await expect(reader.getByRole('heading', { name: 'The recovery is stopped' })).toBeVisible()
  await expect(reader.getByRole('button', { name: 'Stop the recovery' })).toHaveCount(0)
})

test('two trusted contacts end the wait', async ({ page, person, signUp, otherBrowser }) => {
  await signUp(page, person)
  const helpers: { person: Person; page: Page }[] = []
  for (let i = 0; i < 2; i++) {
    const helper = newPerson()
    const theirs = await (await otherBrowser()).newPage()
    await signUp(theirs, helper)
    await page.goto('/account/security/recovery')
    await page.getByLabel('E-mail of a person you trust').fill(helper.email)
    await page.getByRole('button', { name: 'Invite' }).click()
    await expect(page.getByText(`We sent an invitation to ${helper.email}`)).toBeVisible()
    await theirs.goto((await mailLinking(helper.email, /^\/account\/vouch\/accept$/)).link)
    await theirs.getByRole('button', { name: 'Accept' }).click()
    await expect(theirs.getByText('You are now a trusted contact of')).toBeVisible()
    helpers.push({ person: helper, page: theirs })
  }
  await sql(
    `UPDATE trusted_contacts SET created_at = now() - interval '30 days'
     WHERE user_id = (SELECT user_id FROM emails WHERE address = $1)`,
    [person.email],
  )
  await page.goto('/account/security/recovery')
  await expect(page.getByText('2 can vouch for you')).toBeVisible()

  const there = await (await otherBrowser()).newPage()
  await askToRecover(there, person.email)
  const code = await there.getByTestId('vouch-code').innerText()
  for (const helper of helpers) {
    const { link } = await mailLinking(helper.person.email, /^\/account\/vouch\/[\w-]{36}$/)
    await helper.page.goto(link)
    await helper.page.getByLabel(/Code that/).fill(code)
    await helper.page.getByRole('button', { name: /Yes, it is/ }).click()
    await expect(helper.page.getByRole('heading', { name: 'Thank you' })).toBeVisible()
  }
  await there.reload()
  await expect(there.getByText('The waiting time for the account')).toBeVisible()
  await choose(there, NEW_PASSWORD)
  await expect(there.getByRole('heading', { name: 'Your account is recovered' })).toBeVisible()
})

test('"could you get back in?" tells the truth and rehearses', async ({ page, person, signUp }) => {
  await signUp(page, person)
  await page.getByRole('link', { name: 'Security', exact: true }).click()
  await page.getByRole('link', { name: 'Look and rehearse' }).click()
  const losing = (what: string) => page.getByRole('listitem').filter({ hasText: what })
  await expect(losing('… your password')).toContainText(`a code to ${person.email}`)
  await expect(losing('… the mailbox')).toContainText('You still have: your password.')
  await expect(losing('… everything at once')).toContainText('Takes 72 hours')
  await expect(page.getByText('Never tried out')).toBeVisible()
  await page.getByRole('button', { name: `Send a rehearsal code to ${person.email}` }).click()
  const sent = async () => (await mailsTo(person.email)).find(({ subject }) => subject.includes('rehearsal'))
  await expect.poll(async () => Boolean(await sent())).toBe(true)
  await page.getByLabel('6-digit code').fill((await sent())?.codes[0] ?? '')
  await page.getByRole('button', { name: 'It arrived' }).click()
  await expect(page.getByText('It works: what we send there reaches you.')).toBeVisible()
  await expect(page.getByText(/Arrived: Today/)).toBeVisible()
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('the password is chosen anew, and changed', async ({ page, person, signUp, context }) => {
    await signUp(page, person)
    await page.goto('/account/security')
    await page.getByLabel('New password').fill(NEW_PASSWORD)
    await page.getByRole('button', { name: 'Change password' }).click()
    await expect(page.getByText('Your password is changed')).toBeVisible()
    await context.clearCookies()
    await page.goto(await forgot(page, person.email))
    await choose(page, person.password)
    await expect(page.getByRole('heading', { name: 'Your new password is set' })).toBeVisible()
    await page.getByRole('link', { name: 'Sign in' }).click()
    await fillSignIn(page, person)
    await page.waitForURL('**/account')
  })
})
