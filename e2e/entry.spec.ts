/** An app that lets in some people only, as those meet it who are not among them. */
import { gatehouse } from './command'
import { expect, fillSignIn, PORTAL, test } from './fixtures'
import { demoAdmin } from './people'

const CALLBACK = 'http://localhost:4999/cb'

test('who may not enter an app is told so, goes back to it or takes another account', async ({
  page,
  person,
  signUp,
}) => {
  const out = await gatehouse([
    ...['client', 'add', '--name', 'Staff room', '--redirect-uri', CALLBACK, '--first-party'],
    ...['--auth-method', 'none', '--entry-role', 'admin', '--json'],
  ])
  await page.route(`${CALLBACK}*`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<h1>App</h1>' }),
  )
  const wanted = {
    ...{ client_id: (JSON.parse(out) as { client_id: string }).client_id, redirect_uri: CALLBACK },
    ...{ response_type: 'code', scope: 'openid', state: 'kept' },
    ...{ code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' },
  }
  const request = `/oidc/auth?${new URLSearchParams(wanted)}`
  await signUp(page, person)

  await page.goto(request)
  await expect(page.getByRole('heading', { name: 'This account can’t use Staff room' })).toBeVisible()
  await expect(page.getByText(person.email)).toBeVisible()
  // Which people may is nobody's to read here.
  await expect(page.getByText('admin')).toHaveCount(0)
  await page.getByRole('button', { name: 'Back to Staff room' }).click()
  await page.waitForURL(`${CALLBACK}?*`)
  const told = Object.fromEntries(new URL(page.url()).searchParams)
  expect(told).toMatchObject({ error: 'access_denied', state: 'kept', iss: `${PORTAL()}/oidc` })
  expect(told).not.toHaveProperty('code')

  await page.goto(request)
  await page.getByRole('link', { name: 'Use another account' }).click()
  await fillSignIn(page, demoAdmin())
  await page.waitForURL(`${CALLBACK}?*`)
  expect(new URL(page.url()).searchParams.get('code')).toBeTruthy()
})
