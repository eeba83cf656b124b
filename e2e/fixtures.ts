/** What every journey stands on: an address of its own, a watch over console and policy, people, mail. */
import { randomBytes } from 'node:crypto'
import { type BrowserContext, test as base, expect, type Page } from '@playwright/test'
import { latestMail, type Mail } from './mailbox'
import { newPerson, type Person } from './people'

export const PORTAL = (): string => process.env.E2E_URL ?? ''
export const DEMO = (): string => process.env.E2E_DEMO_URL ?? ''

interface Fixtures {
  /** What pages complained about: script errors, failed loads, policy violations. Empty at the end of every test. */
  complaints: string[]
  person: Person
  /** Makes an account by the posts that the pages would make (sign-up.spec walks those), and leaves the browser at /account. */
  signUp: (page: Page, person: Person) => Promise<void>
  signIn: (page: Page, person: Person) => Promise<void>
  mailTo: (address: string) => Promise<Mail>
  /** Another browser, on another address. */
  otherBrowser: (
    options?: Parameters<import('@playwright/test').Browser['newContext']>[0],
  ) => Promise<BrowserContext>
}

const address = (): string => `198.18.${randomBytes(1)[0]}.${(randomBytes(1)[0] ?? 0) % 254 || 1}`

function watch(page: Page, complaints: string[]): void {
  page.on('console', (message) => {
    // Open pages listen all the time, and ask. When their session or the portal ends, the browser itself writes it down.
    if (/\/api\/session(\/events|\?guests=allow)?$/.test(message.location().url)) return
    if (message.type() === 'error') complaints.push(`console: ${message.text()} at ${page.url()}`)
  })
  page.on('pageerror', (error) => complaints.push(`script: ${error.message} at ${page.url()}`))
}

/** Whether the journeys of this worker walk the portal whose mail goes to a real SMTP server. */
interface Place {
  overSmtp: boolean
  place: undefined
}

export const test = base.extend<Fixtures, Place>({
  overSmtp: [false, { option: true, scope: 'worker' }],
  place: [
    async ({ overSmtp }, use) => {
      if (overSmtp) Object.assign(process.env, JSON.parse(process.env.E2E_OVER_SMTP ?? '{}'))
      await use(undefined)
    },
    { auto: true, scope: 'worker' },
  ],
  baseURL: async ({}, use) => use(PORTAL()),
  extraHTTPHeaders: async ({}, use) => use({ 'x-forwarded-for': address() }),
  complaints: [
    async ({ context }, use) => {
      const complaints: string[] = []
      context.on('page', (page) => watch(page, complaints))
      await use(complaints)
      expect(complaints).toEqual([])
    },
    { auto: true },
  ],
  person: async ({}, use) => use(newPerson()),
  mailTo: async ({}, use) => use(latestMail),
  otherBrowser: async ({ browser, complaints }, use) => {
    const opened: BrowserContext[] = []
    await use(async (options) => {
      const context = await browser.newContext({
        baseURL: PORTAL(),
        extraHTTPHeaders: { 'x-forwarded-for': address() },
        ...options,
      })
      context.on('page', (page) => watch(page, complaints))
      opened.push(context)
      return context
    })
    for (const context of opened) await context.close()
  },
  signUp: async ({}, use) =>
    use(async (page, person) => {
      const ask = { headers: { origin: PORTAL() }, maxRedirects: 0 }
      const begun = await page.request.get('/signin/start?to=/account&page=signup', ask)
      const flow = new URL(begun.headers().location ?? '', PORTAL()).searchParams.get('flow') ?? ''
      await page.request.post('/signup/submit', { ...ask, form: { flow, ...person } })
      const code = (await latestMail(person.email)).codes[0] ?? ''
      await page.request.post('/verify/submit', { ...ask, form: { flow, code } })
      await page.goto('/account')
      await page.waitForURL('**/account')
    }),
  signIn: async ({}, use) =>
    use(async (page, person) => {
      await page.goto('/signin/start?to=/account')
      await fillSignIn(page, person)
      await page.waitForURL('**/account')
    }),
})

export async function fillSignUp(page: Page, person: Person): Promise<void> {
  await page.getByLabel('First name').fill(person.firstName)
  await page.getByLabel('Last name').fill(person.lastName)
  await page.getByLabel('E-mail').fill(person.email)
  await page.getByLabel('Password', { exact: true }).fill(person.password)
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
}

export async function fillSignIn(page: Page, person: Person): Promise<void> {
  await page.getByLabel('E-mail').fill(person.email)
  await page.getByLabel('Password', { exact: true }).fill(person.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

export async function typeCode(page: Page, code: string): Promise<void> {
  await page.getByLabel('6-digit code').fill(code)
  await page.getByRole('button', { name: 'Continue' }).click()
}

/** Leaves the page of backup codes, and says them. */
export async function saveCodes(page: Page): Promise<string[]> {
  await page.getByRole('heading', { name: 'Keep these backup codes' }).waitFor()
  const list = page.getByRole('list', { name: 'Your backup codes' })
  const codes = await list.getByRole('listitem').allInnerTexts()
  expect(new Set(codes).size).toBe(10)
  await page.getByRole('button', { name: 'I have saved them' }).click()
  await page.waitForURL('**/account')
  return codes
}

export { expect }
