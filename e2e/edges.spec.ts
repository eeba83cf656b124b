import { expect, fillSignIn, fillSignUp, test, typeCode } from './fixtures'

test('Back after signing in lands on the account, not on a form', async ({
  page,
  person,
  signUp,
  signIn,
  context,
}) => {
  await signUp(page, person)
  await context.clearCookies({ name: 'gatehouse.session' })
  await signIn(page, person)
  await page.goBack()
  await expect(page).toHaveURL(/\/account$/)
})

test('two tabs: what the one finished, the other finds done', async ({ page, person, signUp, context }) => {
  await signUp(page, person)
  await context.clearCookies({ name: 'gatehouse.session' })
  const [one, two] = [await context.newPage(), await context.newPage()]
  await one.goto('/signin/start?to=/account/profile')
  await two.goto('/signin/start?to=/account/devices')
  await fillSignIn(one, person)
  await one.waitForURL('**/account/profile')
  await two.reload()
  await two.waitForURL('**/account/devices')
  await one.reload()
  await expect(one).toHaveURL(/profile$/)
})

test('the same form sent twice from two tabs ends signed in', async ({ page, person, signUp, context }) => {
  await signUp(page, person)
  await context.clearCookies({ name: 'gatehouse.session' })
  await page.goto('/signin/start?to=/account')
  const twin = await context.newPage()
  await twin.goto(page.url())
  await fillSignIn(page, person)
  await page.waitForURL('**/account')
  await fillSignIn(twin, person)
  await twin.waitForURL('**/account')
})

test('a reload keeps what was typed and the sentence that refused it', async ({ page, person }) => {
  await page.goto('/signin/start')
  await fillSignIn(page, person)
  await expect(page.getByText('don’t match')).toBeVisible()
  await page.reload()
  await expect(page.getByText('don’t match')).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveValue(person.email)
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue('')
})

test('an attempt that is unknown or over says so and begins again', async ({ page }) => {
  await page.goto('/signin/start')
  await page.goto(`/signin?flow=${'A'.repeat(22)}`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('This sign-in is over')
  await page.getByRole('link', { name: 'Start again' }).click()
  await expect(page.getByLabel('E-mail')).toBeVisible()
})

test('another_browsers_flow_url_is_of_no_use', async ({ page, otherBrowser }) => {
  await page.goto('/signin/start')
  const victim = await (await otherBrowser()).newPage()
  await victim.goto('/signin/start')
  for (const path of ['/signin', '/signup', '/verify', '/signin/second', '/signin/enroll', '/signin/codes']) {
    await victim.goto(path + new URL(page.url()).search)
    await expect(victim.getByRole('heading', { level: 1 })).toHaveText('Started in another browser')
  }
})

test('blocked cookies are named as the reason', async ({ page, otherBrowser }) => {
  await page.goto('/signin/start')
  const bare = await (await otherBrowser()).newPage()
  await bare.goto(page.url())
  await expect(bare.getByRole('heading', { level: 1 })).toHaveText('Cookies are blocked')
})

test('half_signed_in_is_nobody_everywhere', async ({ page, person, context }) => {
  await page.goto('/signup')
  await fillSignUp(page, person)
  const answer = await context.request.get('/api/session')
  expect(answer.status()).toBe(401)
  for (const path of ['/account', '/account/profile', '/account/devices']) {
    await page.goto(path)
    await expect(page).toHaveURL(/\/signin\?flow=/)
  }
  const next = await context.request.get('/api/auth/session')
  expect(await next.json()).toEqual({})
})

test('a page that is not there is ours, with a way on', async ({ page, complaints }) => {
  const answer = await page.goto('/no/such/page')
  expect(answer?.status()).toBe(404)
  await expect(page.getByRole('link').first()).toBeVisible()
  complaints.length = 0 // the browser itself notes the 404
})

test('too many tries are told when to come back, with Retry-After', async ({
  page,
  person,
  context,
  complaints,
}) => {
  await page.goto('/signin/start')
  for (let i = 0; i < 11; i++) {
    await fillSignIn(page, { ...person, password: `wrong ${i}` })
    await page.waitForLoadState()
  }
  await expect(page.getByText(/Please come back in/)).toBeVisible()
  const flow = new URL(page.url()).searchParams.get('flow') ?? ''
  const raw = await context.request.post('/signin/password', {
    form: { flow, email: person.email, password: 'x' },
    headers: { origin: new URL(page.url()).origin },
    maxRedirects: 0,
  })
  expect(raw.status()).toBe(429)
  expect(Number(raw.headers()['retry-after'])).toBeGreaterThan(0)
  complaints.length = 0 // the browser itself notes the 429
})

test('foreign_origins_cannot_post_any_form', async ({ page, context }) => {
  await page.goto('/signin/start')
  const flow = new URL(page.url()).searchParams.get('flow') ?? ''
  const portal = new URL(page.url()).origin
  for (const path of [
    '/signin/password',
    '/signin/continue',
    '/signin/passkey',
    '/signin/passkey/options',
    '/signin/second/submit',
    '/signin/second/send',
    '/signin/enroll/submit',
    '/signin/enroll/later',
    '/signin/codes/submit',
    '/signup/submit',
    '/verify/submit',
    '/verify/resend',
    '/consent/submit',
    '/signout/submit',
  ]) {
    for (const origin of ['https://evil.example', 'null', `${portal}.evil.example`, undefined]) {
      const answer = await context.request.post(path, {
        form: { flow },
        headers: origin ? { origin } : {},
        maxRedirects: 0,
      })
      const location = answer.headers().location ?? ''
      expect(
        answer.status() >= 400 || location.includes('/problem?code=csrf'),
        `${path} from ${origin}: ${answer.status()} ${location}`,
      ).toBe(true)
    }
  }
})

test('pressing Back out of "check your mail" and forth again keeps the code good', async ({
  page,
  person,
  mailTo,
}) => {
  await page.goto('/signup')
  await fillSignUp(page, person)
  await page.goBack()
  await expect(page.getByLabel('First name')).toBeVisible()
  await page.goForward()
  await typeCode(page, (await mailTo(person.email)).codes[0] ?? '')
  await page.waitForURL('**/account')
})
