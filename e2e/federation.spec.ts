/**
 * Signing in with other providers, in a browser, with real ones on loopback: Google, GitHub, Microsoft, Apple and Acme as they
 * speak, on another site than the portal. And what strangers would do with the same doors.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { BrowserContext, Page } from '@playwright/test'
import { ADA, type PeerPerson, type Peers, startPeers } from '../lib/testing/peers'
import { freePort } from '../scripts/free-port.mjs'
import { codeAt } from './authenticator-app'
import { axe } from './axe'
import { expect, test, typeCode } from './fixtures'
import { latestMail, mailsTo } from './mailbox'
import { newPerson, type Person } from './people'
import { launchPortal, type Portal } from './portal'
import { Visitor } from './visitor'

// One portal of their own, which knows these providers.
test.describe.configure({ mode: 'default', timeout: 120_000 })

let portal: Portal
let peers: Peers

test.beforeAll(async () => {
  test.setTimeout(180_000)
  const [port, demoPort] = [await freePort(), await freePort()]
  const data = mkdtempSync(path.join(tmpdir(), 'gatehouse-e2e-'))
  peers = await startPeers(`http://localhost:${port}`)
  const env = {
    ...peers.env,
    PROVIDERS: `${peers.env.PROVIDERS},gitlab`,
    PROVIDER_GITLAB_CLIENT_ID: 'x',
    PROVIDER_GITLAB_CLIENT_SECRET: 'x',
    GATEHOUSE_DEMO: 'off',
  }
  portal = await launchPortal(env, { data, port, demoPort })
})
test.afterAll(async () => {
  await portal?.stop()
  await peers?.stop()
})
test.beforeEach(() => {
  for (const peer of peers.all) peer.bend = {}
})

/** What a page owes everybody, small and large, light and dark; a picture of each for whoever wants to look. */
async function worthy(page: Page, name: string, script = true): Promise<void> {
  for (const width of [1440, 360]) {
    await page.setViewportSize({ width, height: width > 800 ? 900 : 740 })
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      // Colours on their way from one scheme to the other are neither's.
      await page.evaluate(() =>
        Promise.all(
          document
            .getAnimations()
            .filter((animation) => animation instanceof CSSTransition)
            .map((animation) => animation.finished.catch(() => {})),
        ),
      )
      const { FEDERATION_SHOTS: folder } = process.env
      if (folder)
        await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true })
      if (!script) continue
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      )
      expect(wide, `${name} ${width}`).toBeLessThanOrEqual(0)
      // In other colours the same document stands there.
      const found = await (colorScheme === 'light' ? axe(page) : axe(page, 'color-contrast'))
      expect(found, `${name} ${width} ${colorScheme}`).toEqual([])
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
}

const somebodyThere = (more: Partial<PeerPerson> = {}): PeerPerson => {
  const { email } = newPerson()
  return { ...ADA, sub: String(Math.floor(Math.random() * 1e15)), email, ...more }
}

/** Lets the one who is at GitHub be this person: addresses are told by its API alone. */
function atGithub(person: PeerPerson): void {
  peers.github.person = person
  peers.github.emails = [
    { email: String(person.email), primary: true, verified: true, visibility: 'private' },
  ]
}

const signInPage = (page: Page) => page.goto(`${portal.url}/signin/start?to=/account`)
const button = (page: Page, name: string) => page.getByRole('button', { name })
const goOn = (page: Page) => button(page, 'Continue as Ada Lovelace').click()
const atAccount = (page: Page) => page.waitForURL(`${portal.url}/account`)
const forget = (context: BrowserContext) => context.clearCookies({ name: 'gatehouse.session' })

/** Somebody with a password here, and a browser that is signed in as them. */
async function member(context: BrowserContext): Promise<Person> {
  const person = newPerson()
  const visitor = new Visitor(portal)
  await visitor.signUp(person)
  await context.addCookies([...visitor.cookies].map(([name, value]) => ({ name, value, url: portal.url })))
  return person
}

async function typePassword(page: Page, person: Person): Promise<void> {
  await page.getByLabel('Password', { exact: true }).fill(person.password)
}

test('an account by Acme, signed out there too, and back in by one press', async ({ page }) => {
  const there = somebodyThere()
  peers.acme.person = there
  await signInPage(page)
  // Six of them: four stand there, the others unfold.
  await expect(page.getByRole('button', { name: / with (Google|GitHub|Microsoft|Apple)$/ })).toHaveCount(4)
  await expect(button(page, 'Continue with Acme')).toBeHidden()
  await worthy(page, 'sign-in')
  await page.getByText('2 more ways').click()
  await button(page, 'Continue with Acme').click()
  await goOn(page)
  await page.getByRole('heading', { name: 'Create your account' }).waitFor()
  await expect(page.getByText(`as ${there.email}`)).toBeVisible()
  await expect(page.getByLabel('First name')).toHaveValue('Ada')
  await worthy(page, 'details')
  await button(page, 'Create account').click()
  await atAccount(page)

  // Out of here; Acme goes on until it is told.
  await page.goto(`${portal.url}/signout`)
  await page.getByRole('main').getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You are still signed in at Acme').waitFor()
  await worthy(page, 'signed-out')
  await button(page, 'Also sign out of Acme').click()
  await page.getByText('Signed out of Acme').waitFor()
  expect(page.url()).toContain(peers.acme.url)

  // The one last used comes first.
  await signInPage(page)
  await expect(page.getByRole('button', { name: / with / }).first()).toHaveText(/Acme\s*Last used/)
  await page.goto(`${portal.url}/signin/start?to=/account&page=signup`)
  await worthy(page, 'sign-up')
  await button(page, 'Continue with Acme').click()
  await goOn(page)
  await atAccount(page)
})

test('Apple posts its answer, says the name once, and hides the address', async ({ page }) => {
  peers.apple.person = somebodyThere({ email: 'k3x9@privaterelay.appleid.com', is_private_email: 'true' })
  await signInPage(page)
  await button(page, 'Continue with Apple').click()
  await goOn(page)
  await expect(page.getByText('k3x9@privaterelay.appleid.com')).toBeVisible()
  await expect(page.getByLabel('Last name')).toHaveValue('Lovelace')
  await button(page, 'Create account').click()
  await atAccount(page)
  await forget(page.context())
  await signInPage(page)
  await button(page, 'Continue with Apple').click()
  await goOn(page)
  await atAccount(page)
})

test('GitHub with hidden addresses, and a second factor after it', async ({ page }) => {
  const there = somebodyThere()
  atGithub(there)
  const byGithub = async () => {
    await signInPage(page)
    await button(page, 'Continue with GitHub').click()
    await goOn(page)
  }
  await byGithub()
  await expect(page.getByText(`as ${there.email}`)).toBeVisible()
  await button(page, 'Create account').click()
  await atAccount(page)
  // GitHub does not say when somebody signed in there: before a change they confirm it by a code.
  await page.goto(`${portal.url}/account/security`)
  await page.getByRole('link', { name: 'Confirm it’s you' }).click()
  await page.getByRole('heading', { name: 'Confirm it’s you' }).waitFor()
  await expect(page.getByRole('button', { name: /GitHub/ })).toHaveCount(0)
  await button(page, 'E-mail me a code').click()
  await typeCode(page, (await latestMail(String(there.email), 1, portal.url)).codes[0] ?? '')
  await page.waitForURL('**/account/security')
  await button(page, 'Add an authenticator app').click()
  const secret = (await page.getByTestId('totp-key').innerText()).replace(/\s/g, '')
  await page.getByLabel('6-digit code').fill(codeAt(secret))
  await button(page, 'Add the app').click()
  await page.waitForURL('**/account/security/codes**')
  await forget(page.context())
  await byGithub()
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  await expect(page.getByText('A code by e-mail')).toHaveCount(0)
  expect((await page.context().cookies()).map(({ name }) => name)).not.toContain('gatehouse.session')
  await page.getByLabel('Code from your authenticator app').fill(codeAt(secret, 1))
  await button(page, 'Continue').click()
  await atAccount(page)
})

test('the address of somebody here: they prove the account, then it is linked; later it is unlinked', async ({
  page,
  context,
}) => {
  const person = await member(context)
  await forget(context)
  peers.acme.person = somebodyThere({ email: person.email })
  const byAcme = async () => {
    await signInPage(page)
    const more = page.getByText(/more ways/)
    if (!(await button(page, 'Continue with Acme').isVisible())) await more.click()
    await button(page, 'Continue with Acme').click()
    await goOn(page)
  }
  await byAcme()
  await page.getByRole('heading', { name: 'You already have an account' }).waitFor()
  await expect(page.getByText(`${person.email} belongs to an account here`)).toBeVisible()
  await worthy(page, 'existing')
  await typePassword(page, person)
  await button(page, 'Sign in').first().click()
  await atAccount(page)
  expect((await mailsTo(person.email, portal.url)).some(({ subject }) => /linked/.test(subject))).toBe(true)
  await forget(context)
  await byAcme()
  await atAccount(page)

  await page.goto(`${portal.url}/account/linked`)
  await expect(page.getByRole('main').getByText(person.email)).toBeVisible()
  await worthy(page, 'linked')
  await page.getByRole('link', { name: 'Unlink Acme' }).click()
  await page.getByRole('heading', { name: 'Unlink Acme?' }).waitFor()
  await worthy(page, 'unlink')
  await button(page, 'Unlink').click()
  await page.getByText('Unlinked: Acme').waitFor()
  await forget(context)
  await byAcme()
  await page.getByRole('heading', { name: 'You already have an account' }).waitFor()
})

test('linking in the console, and taken back with "This wasn’t me"', async ({ page, context }) => {
  const person = await member(context)
  peers.google.person = somebodyThere({ email: `${Date.now()}@gmail.com` })
  await page.goto(`${portal.url}/account/linked`)
  await worthy(page, 'linked-none')
  await button(page, 'Link Google').click()
  await goOn(page)
  await page.getByText(/^Linked: Google/).waitFor()
  expect(page.url()).toBe(`${portal.url}/account/linked`)
  await expect(button(page, 'Link Google')).toHaveCount(0)
  const mail = (await mailsTo(person.email, portal.url)).find(({ subject }) => /linked/.test(subject))
  const link = mail?.links.find((url) => url.includes('/lockdown'))
  await page.goto(link ?? '')
  await expect(page.getByText(/Google \(\d+@gmail\.com\)/)).toBeVisible()
  await button(page, 'Lock my account').click()
  await page.getByRole('heading', { name: 'Your account is locked' }).waitFor()
  await signInPage(page)
  await button(page, 'Continue with Google').click()
  await goOn(page)
  // Nobody knows that account any more.
  await page.getByRole('heading', { name: 'Create your account' }).waitFor()
})

test('whoever says no there, or finds the provider away or slow, is back where they began', async ({
  page,
}) => {
  await signInPage(page)
  await button(page, 'Continue with Google').click()
  await button(page, 'Cancel').click()
  await expect(page.getByRole('alert').filter({ hasText: 'cancelled' })).toContainText('Google')
  // What the provider said of it is nobody's to read here.
  await expect(page.getByText('Somebody said no')).toHaveCount(0)
  await worthy(page, 'denied')
  for (const bend of [{ down: ['token' as const] }, { silent: ['token' as const] }]) {
    await button(page, 'Continue with Google').click()
    peers.google.bend = bend
    await goOn(page)
    await expect(page.getByRole('alert').filter({ hasText: 'isn’t answering' })).toContainText('Google')
    peers.google.bend = {}
  }
  // The same attempt goes on by another way.
  const there = somebodyThere()
  atGithub(there)
  await button(page, 'Continue with GitHub').click()
  await goOn(page)
  await page.getByRole('heading', { name: 'Create your account' }).waitFor()
})

test('without script: to a provider, an address proven by code, an account', async ({ browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  const there = somebodyThere({ email_verified: false })
  peers.acme.person = there
  await signInPage(page)
  await page.locator('summary', { hasText: 'more ways' }).click()
  await button(page, 'Continue with Acme').click()
  await goOn(page)
  await page.getByRole('heading', { name: 'Create your account' }).waitFor()
  await expect(page.getByLabel('E-mail')).toHaveValue(String(there.email))
  await worthy(page, 'details-unproven', false)
  await button(page, 'Create account').click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
  await typeCode(page, (await latestMail(String(there.email), 1, portal.url)).codes[0] ?? '')
  await atAccount(page)
  await context.close()
})

// ── what strangers would do with the same doors ──────────────────────────────

const path_ = (url: string): string => url.replace(portal.url, '')

/** A visitor's way to Acme and back, without a browser: the callback's path. */
async function toAcme(visitor: Visitor, person: PeerPerson): Promise<string> {
  const flow = await visitor.begin()
  const away = await visitor.post('/signin/with/acme', { flow })
  peers.acme.person = person
  return path_((await peers.acme.press(away.location)).url.href)
}

test('get_never_begins_a_round_trip', async () => {
  const visitor = new Visitor(portal)
  const flow = await visitor.begin()
  const before = peers.acme.requests.length
  for (const path of [
    `/signin/with/acme?flow=${flow}`,
    '/api/auth/signin/acme',
    '/api/auth/signin/acme?callbackUrl=https://evil.example',
    '/account/linked?provider=acme',
  ]) {
    const answer = await visitor.get(path)
    expect(answer.location, path).not.toContain(peers.acme.url)
    expect(
      [...visitor.cookies.keys()].filter((name) => name.includes('oauth')),
      path,
    ).toEqual([])
  }
  // A post from elsewhere neither.
  const forged = await visitor.post('/signin/with/acme', { flow }, { origin: 'https://evil.example' })
  expect(forged.status).toBe(403)
  expect(peers.acme.requests.length).toBe(before)
})

test('login_csrf_in_both_directions', async () => {
  const [victim, attacker] = [new Visitor(portal), new Visitor(portal)]
  const theirs = await toAcme(attacker, somebodyThere())
  const lured = await victim.get(theirs)
  expect(lured.location).toBe('/problem?code=flow_foreign_browser')
  expect((await victim.session()).status).toBe(401)
  // The attacker's own answer is spent by it; the victim's code in the attacker's browser is of no use either.
  const mine = await toAcme(victim, somebodyThere())
  expect((await attacker.get(mine)).location).toBe('/problem?code=flow_foreign_browser')
  expect((await attacker.session()).status).toBe(401)
  // Replayed in the right browser it is over.
  expect((await victim.get(mine)).location).toBe('/problem?code=flow_expired')
})

test('open_redirect_by_callback_url', async () => {
  const visitor = new Visitor(portal)
  const flow = await visitor.begin('to=//evil.example')
  for (const callbackUrl of [
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
  ]) {
    const away = await visitor.post('/signin/with/acme', {
      flow,
      callbackUrl,
      returnTo: callbackUrl,
      to: callbackUrl,
    })
    expect(away.location).not.toContain('evil.example')
    peers.acme.person = somebodyThere()
    const { url } = await peers.acme.press(away.location)
    url.searchParams.set('callbackUrl', callbackUrl)
    const back = await visitor.get(path_(url.href))
    expect(back.location).toMatch(/^\/signup\/details\?flow=/)
  }
})

test('error_pages_do_not_echo_what_came_in', async () => {
  const visitor = new Visitor(portal)
  const mark = 'Xss<b>9f3</b>'
  for (const path of [
    `/api/auth/callback/${encodeURIComponent('x-9f3')}?error=${mark}&error_description=${mark}`,
    `/api/auth/callback/acme?error=${mark}&error_description=${mark}&state=${mark}`,
    `/api/auth/error?error=${mark}`,
    `/problem?code=${mark}`,
    `/signed-out?with=${mark}`,
  ]) {
    let answer = await visitor.get(path)
    for (let hops = 0; hops < 3 && answer.location.startsWith('/'); hops++)
      answer = await visitor.get(answer.location)
    expect(answer.status, path).toBeLessThan(500)
    // What is in the address is in the script that draws the page, as data; nowhere else.
    const seen = answer.body.replaceAll(/<script[^>]*>[\s\S]*?<\/script>/g, '')
    expect(seen, path).not.toContain('9f3')
    expect(answer.body, path).not.toContain('<b>9f3')
  }
})

test('only_what_a_provider_may_post_comes_from_elsewhere', async () => {
  const visitor = new Visitor(portal)
  const foreign = { origin: 'https://appleid.apple.com', 'sec-fetch-site': 'cross-site' }
  const state = 'x'.repeat(43)
  const kept = await visitor.post('/api/auth/callback/apple', { state, code: 'x' }, foreign)
  expect(kept.location).toBe('/problem?code=flow_expired')
  // Another kind of body, another place, a provider that nobody configured, one that does not post.
  expect(
    (await visitor.post('/api/auth/callback/apple', { state }, { ...foreign, 'content-type': 'text/plain' }))
      .status,
  ).toBe(403)
  for (const to of [
    '/api/auth/callback/credentials',
    '/api/auth/callback/email',
    '/api/auth/callback/nobody',
    '/api/auth/callback/apple/x',
    '/api/auth/signout',
    '/signin/with/apple',
    '/api/auth/backchannel-logout/nobody',
  ])
    expect((await visitor.post(to, { state }, foreign)).status, to).toBe(403)
  expect((await visitor.post('/api/auth/callback/acme', { state, code: 'x' }, foreign)).location).toBe(
    '/problem?code=not_found',
  )
})

test('back_channel_logout_ends_what_came_from_there', async () => {
  const visitor = new Visitor(portal)
  const there = somebodyThere()
  const back = await visitor.get(await toAcme(visitor, there))
  const flow = new URL(back.location, portal.url).searchParams.get('flow') ?? ''
  await visitor.post('/signup/details/submit', { flow, firstName: 'Ada' })
  expect((await visitor.session()).status).toBe(200)
  const server = new Visitor(portal)
  const say = (logout_token: string) =>
    server.post('/api/auth/backchannel-logout/acme', { logout_token }, { origin: undefined })
  peers.acme.person = there
  expect((await say(await peers.acme.logoutToken({ sid: 'another', sub: undefined }))).status).toBe(200)
  expect((await say('nonsense')).status).toBe(400)
  expect((await visitor.session()).status).toBe(200)
  const token = await peers.acme.logoutToken()
  const ended = await say(token)
  expect(ended.status).toBe(200)
  expect(ended.headers['cache-control']).toBe('no-store')
  expect((await visitor.session()).status).toBe(401)
  expect((await say(token)).status).toBe(400)
})
