/**
 * What every page owes the person in front of it: readable by axe's rules, whole on a small screen and
 * at 200 %, still while it loads, usable by keys alone, small, and within its own policy (UI1, UI5, PW6).
 */
import { type BrowserContext, expect, type Locator, type Page, test } from '@playwright/test'
import { axe } from './axe'
import { type Exhibit, gallery, signedInPages, signedOutPages, verification } from './gallery'
import { latestMail } from './mailbox'
import { newPerson } from './people'
import { shared, someAddress, Visitor } from './visitor'

interface Noted {
  violations: string[]
  shift: number
}
declare global {
  interface Window {
    noted: Noted
  }
}

/** Runs before anything of the page: keeps what the policy stopped and what moved. */
function watch(): void {
  window.noted = { violations: [], shift: 0 }
  document.addEventListener('securitypolicyviolation', (event) => {
    window.noted.violations.push(`${event.violatedDirective} ${event.blockedURI}`)
  })
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & {
      value: number
      hadRecentInput: boolean
    })[]) {
      if (!entry.hadRecentInput) window.noted.shift += entry.value
    }
  }).observe({ type: 'layout-shift', buffered: true })
}

async function dress(context: BrowserContext, exhibit: Exhibit): Promise<void> {
  await context.clearCookies()
  const { url } = shared()
  await context.addCookies([...exhibit.who.cookies].map(([name, value]) => ({ name, value, url })))
  await context.setExtraHTTPHeaders(exhibit.local ? {} : { 'x-forwarded-for': exhibit.who.ip })
}

/** Loaded, hydrated and drawn. */
async function open(page: Page, exhibit: Exhibit): Promise<void> {
  await dress(page.context(), exhibit)
  const answer = await page.goto(shared().url + exhibit.path)
  expect(answer?.status(), exhibit.name).toBe(exhibit.status ?? 200)
  await page.evaluate(async () => {
    await document.fonts.ready
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
  })
}

/** Looks another way, and has finished to. */
async function settle(page: Page, media: Parameters<Page['emulateMedia']>[0]): Promise<void> {
  await page.emulateMedia(media)
  await page.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
    // What ends may begin what inherits from it.
    for (let still = 0; still < 3; still++) {
      await frame()
      const running = document.getAnimations()
      if (running.length > 0) still = 0
      await Promise.allSettled(running.map(({ finished }) => finished))
    }
  })
}

const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)

/** What a box with hidden edges cuts off at the side; a text that ends in dots does so on purpose. */
const cutOff = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const found: string[] = []
    for (const element of document.querySelectorAll('main *, dialog *, header *')) {
      const { left, right, width, height } = element.getBoundingClientRect()
      if (width <= 1 || height <= 1 || element.closest('svg, [aria-hidden], .sr-only, option, .otp')) continue
      for (let box = element.parentElement; box; box = box.parentElement) {
        const style = getComputedStyle(box)
        if (style.textOverflow === 'ellipsis' || /auto|scroll/.test(style.overflowX)) break
        if (style.overflowX === 'visible') continue
        const edges = box.getBoundingClientRect()
        if (right > edges.right + 1 || left < edges.left - 1) found.push(element.outerHTML.slice(0, 120))
      }
    }
    return found
  })

test.describe.configure({ timeout: 360_000 })

/** What moves although nothing should. */
const moving = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const long = (list: string) => list.split(',').some((part) => Number.parseFloat(part) > 0.011)
    return [...document.querySelectorAll('*')]
      .filter((element) => {
        const style = getComputedStyle(element)
        return (
          (style.animationName !== 'none' && long(style.animationDuration)) || long(style.transitionDuration)
        )
      })
      .map((element) => element.outerHTML.slice(0, 80))
  })

/** Goes through the page by Tab; gives what has the focus and does not show it. */
async function unseenFocus(page: Page): Promise<string[]> {
  const wrong: string[] = []
  const seen = new Set<string>()
  for (let presses = 0; presses < 40; presses++) {
    await page.keyboard.press('Tab')
    const state = await page.evaluate(() => {
      const element = document.activeElement
      if (!element || element === document.body || element.tagName === 'IFRAME') return null
      // That of a one-time code is drawn on its boxes.
      const style = getComputedStyle(element.closest('.otp')?.firstElementChild ?? element)
      const box = element.getBoundingClientRect()
      const ring =
        (style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 1) ||
        style.boxShadow !== 'none'
      return {
        html: element.outerHTML.slice(0, 160),
        ring,
        size: box.width * box.height,
        y: box.bottom > 0 && box.top < innerHeight,
      }
    })
    if (!state || seen.has(state.html)) break
    seen.add(state.html)
    if (!state.ring) wrong.push(`focus is not shown: ${state.html}`)
    if (state.size === 0) wrong.push(`focus has no size: ${state.html}`)
    if (!state.y) wrong.push(`focus is out of sight: ${state.html}`)
  }
  return wrong
}

// Each page is loaded once at each width; its other colours, its zoom and what moves are looked at where it stands.
for (const [width, loaded, other] of [
  [1440, 'light', 'dark'],
  [360, 'dark', 'light'],
] as const) {
  test(`every page, ${width} px wide`, async ({ browser }) => {
    const wide = width > 800
    const context = await browser.newContext({
      colorScheme: loaded,
      viewport: { width, height: wide ? 900 : 740 },
    })
    await context.addInitScript(watch)
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 40\d|frame is sandboxed/.test(message.text()))
        complaints.push(message.text())
    })
    const wrong: string[] = []
    const titles = new Map<string, string>()
    for (const exhibit of await gallery()) {
      await page.emulateMedia({ colorScheme: loaded, reducedMotion: 'no-preference' })
      await open(page, exhibit)
      const must = (good: boolean, what: string) => {
        if (!good) wrong.push(`${exhibit.name}: ${what}`)
      }
      for (const found of await axe(page)) must(false, found)
      must((await overflow(page)) <= 0, `wider than the screen by ${await overflow(page)} px`)
      for (const found of await cutOff(page)) must(false, `cut off: ${found}`)
      const facts = await page.evaluate(() => ({
        ...window.noted,
        title: document.title,
        lang: document.documentElement.lang,
        headings: document.querySelectorAll('h1').length,
      }))
      must(facts.violations.length === 0, `policy: ${facts.violations}`)
      must(facts.shift < 0.01, `moved by ${facts.shift}`)
      must(facts.headings === 1, `${facts.headings} h1`)
      must(facts.lang === 'en', `lang "${facts.lang}"`)
      must(facts.title.length > 3, 'no title')
      if (!exhibit.kind) {
        const twin = titles.get(facts.title)
        must(!twin, `the title "${facts.title}" is also that of ${twin}`)
        titles.set(facts.title, exhibit.name)
      }
      await settle(page, { colorScheme: loaded, reducedMotion: 'reduce' })
      for (const found of await moving(page)) must(false, `moves: ${found}`)
      await settle(page, { colorScheme: other, reducedMotion: 'reduce' })
      for (const found of await axe(page, 'color-contrast')) must(false, `${other}: ${found}`)
      // 200 % of a 1280 px window is 640 px wide, 400 % is 320 px (WCAG 1.4.10).
      const narrow = wide ? 640 : 320
      await page.setViewportSize({ width: narrow, height: 600 })
      must((await overflow(page)) <= 0, `overflows at ${narrow} px by ${await overflow(page)} px`)
      for (const found of await cutOff(page)) must(false, `cut off at ${narrow} px: ${found}`)
      await page.setViewportSize({ width, height: wide ? 900 : 740 })
      if (wide) for (const found of await unseenFocus(page)) must(false, found)
    }
    await context.close()
    expect([...wrong, ...complaints]).toEqual([])
  })
}

test('fields say to password managers and keyboards what they are', async ({ page }) => {
  const exhibits = await gallery([signedOutPages, verification, signedInPages])
  const show = async (name: string) => {
    const exhibit = exhibits.find((one) => one.name === name)
    if (!exhibit) throw new Error(name)
    await open(page, exhibit)
    for (const input of await page.locator('input:not([type=hidden])').all()) {
      // Pasting works, and nobody switches password managers off.
      const stopped = await input.evaluate(
        (field) => !field.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true })),
      )
      expect(stopped, `${name}: paste`).toBe(false)
      expect(await input.getAttribute('autocomplete'), name).not.toBe('off')
    }
  }
  await show('sign-in')
  await expect(page.getByLabel('E-mail')).toHaveAttribute('autocomplete', /^username( webauthn)?$/)
  await expect(page.getByLabel('E-mail')).toHaveAttribute('type', 'email')
  await expect(page.getByLabel('Password', { exact: true })).toHaveAttribute(
    'autocomplete',
    'current-password',
  )
  await show('sign-up')
  await expect(page.getByLabel('First name')).toHaveAttribute('autocomplete', 'given-name')
  await expect(page.getByLabel('Last name')).toHaveAttribute('autocomplete', 'family-name')
  await expect(page.getByLabel('E-mail')).toHaveAttribute('autocomplete', /^(username|email)$/)
  await expect(page.getByLabel('Password', { exact: true })).toHaveAttribute('autocomplete', 'new-password')
  await show('verify')
  await expect(page.getByLabel('6-digit code')).toHaveAttribute('autocomplete', 'one-time-code')
  await expect(page.getByLabel('6-digit code')).toHaveAttribute('inputmode', 'numeric')
  await show('prove again')
  await expect(page.locator('input[autocomplete=username]')).toHaveCount(1)
  await show('sign-up refused')
  const field = page.getByLabel('Password', { exact: true })
  await expect(field).toHaveAttribute('aria-invalid', 'true')
  const described = (await field.getAttribute('aria-describedby'))?.split(' ') ?? []
  const words = await Promise.all(described.map((id) => page.locator(`[id="${id}"]`).innerText()))
  expect(words.join(' ')).toContain('Many people use this password')
})

/** Reaches an element as a person without a mouse does. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  const focused = () => target.evaluate((element) => element === document.activeElement)
  for (let presses = 0; presses < 40 && !(await focused()); presses++) await page.keyboard.press('Tab')
  await expect(target).toBeFocused()
}

test('sign-up, sign-in and the end of another session work by keys alone', async ({ page, context }) => {
  await context.setExtraHTTPHeaders({ 'x-forwarded-for': someAddress() })
  const { url } = shared()
  const person = newPerson()
  await page.goto(url)
  await tabTo(page, page.getByRole('link', { name: 'Create account' }).first())
  await page.keyboard.press('Enter')
  for (const [label, value] of [
    ['First name', person.firstName],
    ['Last name', person.lastName],
    ['E-mail', person.email],
    ['Password', person.password],
  ] as const) {
    const field = page.getByLabel(label, { exact: label === 'Password' })
    await field.waitFor()
    await tabTo(page, field)
    await page.keyboard.type(value)
  }
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
  await tabTo(page, page.getByLabel('6-digit code'))
  await page.keyboard.type((await latestMail(person.email)).codes[0] ?? '')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/account')

  await new Visitor().signIn(person)
  await tabTo(page, page.getByRole('link', { name: 'Devices', exact: true }))
  await page.keyboard.press('Enter')
  await page.waitForURL('**/account/devices')
  const question = page.getByRole('dialog')
  const end = page.getByRole('link', { name: /^Sign out (?!all)/ }).first()
  await tabTo(page, end)
  await page.keyboard.press('Enter')
  await expect(question).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(question).toBeHidden()
  await tabTo(page, end)
  await page.keyboard.press('Enter')
  await expect(question).toBeVisible()
  // The focus stays within the question until it is answered.
  await tabTo(page, question.getByRole('button', { name: 'Sign out', exact: true }))
  await page.keyboard.press('Enter')
  await expect(page.getByText('1 session is signed out.')).toBeVisible()

  await page.goto(`${url}/signout`)
  await tabTo(page, page.getByRole('button', { name: 'Sign out', exact: true }))
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'You’re signed out' })).toBeVisible()
  await page.goto(`${url}/signin/start?to=/account`)
  await tabTo(page, page.getByLabel('E-mail'))
  await page.keyboard.type(person.email)
  await page.keyboard.press('Tab')
  await page.keyboard.type(person.password)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/account')
})

test('the first load of the sign-in page is small', async ({ page }) => {
  // Next's own entry price is about 115 KB with brotli; what we add to it may be 15 KB.
  const kilobytes = { script: 0, rest: 0 }
  const sizes: Promise<void>[] = []
  page.on('requestfinished', (request) => {
    sizes.push(
      request.sizes().then(({ responseBodySize }) => {
        kilobytes[request.resourceType() === 'script' ? 'script' : 'rest'] += responseBodySize / 1024
      }),
    )
  })
  await page.goto(`${shared().url}/signin/start`)
  await page.waitForLoadState('networkidle')
  await Promise.all(sizes)
  expect(kilobytes.script).toBeGreaterThan(20)
  expect(kilobytes.script).toBeLessThanOrEqual(115 + 15)
  expect(kilobytes.rest).toBeLessThanOrEqual(40)
})
