/** What the operator asks: a second factor from a day on, and passkeys as the only way in. */
import type { Page } from '@playwright/test'
import { addAuthenticator } from './authenticator'
import { test as base, expect, fillSignIn, fillSignUp, saveCodes, typeCode } from './fixtures'
import { latestMail } from './mailbox'
import type { Person } from './people'
import { launchPortal, type Portal } from './portal'
import { Visitor } from './visitor'

const signOut = (page: Page) => page.context().clearCookies({ name: 'gatehouse.session' })

base(
  'a second factor may be put off until the day that the operator set, and not after it',
  async ({ person, otherBrowser }) => {
    base.setTimeout(180_000)
    // Noon: the same day in every timezone that the console may show it in.
    const day = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10)
    const inWords = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(
      new Date(day),
    )
    const before = await launchPortal({ SECOND_FACTOR: 'required', SECOND_FACTOR_FROM: `${day}T12:00Z` })
    const page = await (await otherBrowser({ baseURL: before.url })).newPage()
    await page.goto('/signin/start?to=/account&page=signup')
    await fillSignUp(page, person)
    await typeCode(page, (await latestMail(person.email, 1, before.url)).codes[0] ?? '')
    await page.getByRole('heading', { name: 'Set up a second step' }).waitFor()
    await expect(page.getByText(`You can put this off until ${inWords}.`)).toBeVisible()
    await page.getByRole('button', { name: 'Later' }).click()
    await page.waitForURL('**/account')
    await page.goto('/account/security')
    await expect(page.getByRole('region', { name: 'Two-step sign-in' })).toContainText(`From ${inWords}`)
    await signOut(page)
    await before.kill()

    const after = await launchPortal({ SECOND_FACTOR: 'required', SECOND_FACTOR_FROM: '2026-01-01' }, before)
    // This browser said "later" a moment ago; that counts no more.
    await page.goto('/signin/start?to=/account')
    await fillSignIn(page, person)
    await page.getByRole('heading', { name: 'Set up a second step' }).waitFor()
    await expect(page.getByRole('button', { name: 'Later' })).toHaveCount(0)
    await expect(page.getByText('put this off')).toHaveCount(0)
    // Nor does a form that the page no longer has.
    const visitor = new Visitor(after)
    const { location } = await visitor.signIn(person)
    const flow = new URL(location, after.url).searchParams.get('flow') ?? ''
    const { location: stays } = await visitor.post('/signin/enroll/later', { flow })
    expect(stays).toMatch(/^\/signin/)
    expect((await visitor.session()).status).toBe(401)
    expect((await visitor.get('/account')).location).toMatch(/^\/signin/)
    await after.stop()
  },
)

const test = base.extend<object, { passkeysOnly: Portal }>({
  passkeysOnly: [
    async ({}, use) => {
      const portal = await launchPortal({ SIGN_IN_METHODS: 'passkey' })
      await use(portal)
      await portal.stop()
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  baseURL: async ({ passkeysOnly }, use) => use(passkeysOnly.url),
})

test.describe('where passkeys are the only way in', () => {
  test.describe.configure({ mode: 'default' })

  /** A new account as far as its address is proven; what is asked for then is its passkey. */
  async function proveAddress(page: Page, person: Person, portal: Portal): Promise<void> {
    await page.goto('/signin/start?to=/account&page=signup')
    await expect(page.getByLabel('Password')).toHaveCount(0)
    await page.getByLabel('First name').fill(person.firstName)
    await page.getByLabel('Last name').fill(person.lastName)
    await page.getByLabel('E-mail').fill(person.email)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
    await typeCode(page, (await latestMail(person.email, 1, portal.url)).codes[0] ?? '')
    await page.getByRole('heading', { name: 'Make your passkey' }).waitFor()
  }

  test('a newcomer makes one and comes back with it; no page knows a password, and neither does its verb', async ({
    page,
    person,
    passkeysOnly,
  }) => {
    await addAuthenticator(page, 'device')
    await proveAddress(page, person, passkeysOnly)
    await page.getByRole('button', { name: 'Create a passkey' }).click()
    await saveCodes(page)
    await page.goto('/account/security')
    await expect(page.getByText('Here people sign in with passkeys only')).toBeVisible()
    await expect(page.getByLabel('New password')).toHaveCount(0)
    // The last one stays: nothing else would take its owner back in.
    await page.getByRole('link', { name: /^Remove / }).click()
    await expect(page.getByText('this one stays until you have added another')).toBeVisible()
    await expect(page.getByRole('button', { name: 'Remove', exact: true })).toHaveCount(0)

    await signOut(page)
    await page.addInitScript(() => {
      PublicKeyCredential.isConditionalMediationAvailable = async () => false
    })
    await page.goto('/signin/start?to=/account/devices')
    await expect(page.getByLabel('Password')).toHaveCount(0)
    await page.getByRole('button', { name: 'Use a passkey' }).click()
    await page.waitForURL('**/account/devices')

    const visitor = new Visitor(passkeysOnly)
    const { location } = await visitor.signIn(person)
    expect((await visitor.get(location)).body).toContain('This way isn’t offered here')
    expect((await visitor.session()).status).toBe(401)
  })

  test('who left before making one gets on by a code by mail, and no further than to making it', async ({
    page,
    person,
    passkeysOnly,
    otherBrowser,
  }) => {
    await proveAddress(page, person, passkeysOnly)
    await expect(page.getByRole('button', { name: /^(Later|Not now)/ })).toHaveCount(0)
    const later = await (await otherBrowser({ baseURL: passkeysOnly.url })).newPage()
    await addAuthenticator(later, 'device')
    await later.goto('/signin/start?to=/account')
    await later.getByLabel('E-mail', { exact: true }).fill(person.email)
    await later.getByRole('button', { name: 'E-mail me a code' }).click()
    await later.getByRole('heading', { name: 'Check your mail' }).waitFor()
    await typeCode(later, (await latestMail(person.email, 2, passkeysOnly.url)).codes[0] ?? '')
    await later.getByRole('heading', { name: 'Make your passkey' }).waitFor()
    await expect(later.getByRole('button', { name: /^(Later|Not now)/ })).toHaveCount(0)
    expect((await later.request.get('/api/session')).status()).toBe(401)
    await later.getByRole('button', { name: 'Create a passkey' }).click()
    await saveCodes(later)
  })
})
