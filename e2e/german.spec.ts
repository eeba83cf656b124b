import { DEMO, expect, test } from './fixtures'
import { latestMail } from './mailbox'

test.describe('a German browser', () => {
  test.use({ locale: 'de-DE' })

  test('signs up in German, gets German mail, and the console speaks German', async ({ page, person }) => {
    await page.goto('/')
    await expect(page.locator('html')).toHaveAttribute('lang', 'de')
    await page.getByRole('link', { name: 'Konto erstellen' }).click()
    await page.getByLabel('Vorname').fill(person.firstName)
    await page.getByLabel('Nachname').fill(person.lastName)
    await page.getByLabel('E‑Mail').fill(person.email)
    await page.getByLabel('Passwort', { exact: true }).fill(person.password)
    await page.getByRole('button', { name: 'Konto erstellen' }).click()
    await expect(page.getByRole('heading', { name: 'Sehen Sie in Ihr Postfach' })).toBeVisible()

    const mail = await latestMail(person.email)
    expect(mail.subject).toBe('Bestätigen Sie Ihre E-Mail-Adresse für Gatehouse')
    expect(mail.html).toContain('<html lang="de">')
    expect(mail.text).toContain('Chrome')
    expect(mail.text).toMatch(/Gerät: Chrome[^\n]* unter /)
    expect(mail.text).toMatch(/Zeit: \d{1,2}\. \p{L}+ \d{4} um \d{2}:\d{2} UTC/u)

    await page.getByLabel('6-stelliger Code').fill('12345')
    await page.getByLabel('6-stelliger Code').fill(mail.codes[0] ?? '')
    await page.getByRole('button', { name: 'Weiter' }).click()
    await page.waitForURL('**/account')
    await expect(page.getByRole('heading', { name: `Guten Tag, ${person.firstName}` })).toBeVisible()
    await expect(page.getByText(/Heute, \d{2}:\d{2}/).first()).toBeVisible()

    // The person's language is theirs, whatever the next browser asks for.
    await page.goto('/account/profile')
    await expect(page.getByLabel('Sprache')).toHaveValue('de')
  })

  test('a wrong password is refused in German', async ({ page, person }) => {
    await page.goto('/signin/start?to=/account')
    await page.getByLabel('E‑Mail').fill(person.email)
    await page.getByLabel('Passwort', { exact: true }).fill('falsch-falsch-falsch')
    await page.getByRole('button', { name: 'Anmelden', exact: true }).click()
    await expect(page.getByText('E‑Mail-Adresse und Passwort passen nicht zusammen.')).toBeVisible()
  })
})

test('the switch below a page changes its language and keeps the place', async ({ page }) => {
  await page.goto('/signin/start?to=/account')
  await expect(page.locator('html')).toHaveAttribute('lang', 'en')
  const { pathname, search } = new URL(page.url())
  await page.getByRole('button', { name: 'Deutsch' }).click()
  await expect(page.locator('html')).toHaveAttribute('lang', 'de')
  expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe(pathname + search)
  await expect(page.getByRole('heading', { name: 'Anmelden' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Deutsch' })).toHaveAttribute('aria-pressed', 'true')
  await page.goto('/')
  await expect(page.getByText('Ein Konto für Ihre Apps')).toBeVisible()
  await page.goto('/signed-out')
  await page.getByRole('button', { name: 'English' }).click()
  await expect(page.getByRole('heading', { name: 'You’re signed out' })).toBeVisible()
})

test('a person’s own language goes before the browser’s, also in mails and after signing out', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await page.goto('/account/profile')
  await page.getByLabel('Language').selectOption('de')
  await page.getByRole('button', { name: 'Save changes' }).click()
  await expect(page.getByText('Ihr Profil ist gespeichert.')).toBeVisible()
  await page.goto('/account/devices')
  await expect(page.getByRole('heading', { name: 'Geräte und Sitzungen' })).toBeVisible()
  await page.goto('/signout')
  await page.getByRole('button', { name: 'Abmelden', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Sie sind abgemeldet' })).toBeVisible()
})

test('the language an app asks for is spoken, unless another was chosen in this browser', async ({
  page,
}) => {
  const ask = (locales: string) =>
    page.goto(`${DEMO()}/login?${new URLSearchParams({ ui_locales: locales })}`)
  await ask('fr de-AT en')
  await expect(page.getByRole('heading', { name: 'Anmelden' })).toBeVisible()
  await page.getByRole('link', { name: 'Konto erstellen' }).click()
  await expect(page.locator('html')).toHaveAttribute('lang', 'de')
  await ask('')
  await expect(page.locator('html')).toHaveAttribute('lang', 'en')
  await page.getByRole('button', { name: 'English' }).click()
  await ask('de')
  await expect(page.locator('html')).toHaveAttribute('lang', 'en')
})

test('a_forged_language_changes_nothing', async ({ page, request }) => {
  const foreign = await request.post('/locale', {
    form: { locale: 'de' },
    headers: { origin: 'https://evil.example' },
    maxRedirects: 0,
  })
  expect(foreign.headers()['set-cookie'] ?? '').not.toContain('gatehouse.locale')
  const origin = new URL((await page.goto('/'))?.url() ?? '').origin
  for (const [locale, referer] of [
    ['../../etc', `${origin}/signin`],
    ['__proto__', `${origin}/signin`],
    ['de', 'https://evil.example/'],
    ['de', `${origin}//evil.example/`],
  ] as const) {
    const answer = await request.post('/locale', {
      form: { locale },
      headers: { origin, referer },
      maxRedirects: 0,
    })
    expect(answer.status()).toBe(303)
    expect(answer.headers().location).toMatch(/^\/($|[^/])/)
    if (locale !== 'de') expect(answer.headers()['set-cookie'] ?? '').not.toContain('gatehouse.locale')
  }
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('the language switch works', async ({ page }) => {
    await page.goto('/signin/start?to=/account')
    await page.getByRole('button', { name: 'Deutsch' }).click()
    await expect(page.getByRole('heading', { name: 'Anmelden' })).toBeVisible()
  })
})
