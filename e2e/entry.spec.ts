/** An app that lets in some people only, as those meet it who are not among them. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gatehouse } from './command'
import { expect, fillSignIn, PORTAL, test } from './fixtures'
import { demoAdmin } from './people'

test('who may not enter an app is told so, goes back to it or takes another account', async ({
  page,
  person,
  signUp,
}) => {
  const server = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html')
    res.end('<!doctype html><link rel="icon" href="data:,"><title>App</title><p>App')
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const redirect_uri = `http://localhost:${(server.address() as AddressInfo).port}/cb`
  try {
    const out = await gatehouse([
      ...['client', 'add', '--name', 'Staff room', '--redirect-uri', redirect_uri, '--first-party'],
      ...['--auth-method', 'none', '--entry-role', 'admin', '--json'],
    ])
    const { client_id } = JSON.parse(out) as { client_id: string }
    const wanted = { client_id, redirect_uri, response_type: 'code', scope: 'openid', state: 'kept' }
    const pkce = { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' }
    const request = `/oidc/auth?${new URLSearchParams({ ...wanted, ...pkce })}`
    const told = async () => {
      await page.waitForURL((url) => url.href.startsWith(redirect_uri))
      return Object.fromEntries(new URL(page.url()).searchParams)
    }
    await signUp(page, person)

    await page.goto(request)
    await expect(page.getByRole('heading', { name: 'This account can’t use Staff room' })).toBeVisible()
    await expect(page.getByText(person.email)).toBeVisible()
    // Which people may is nobody's to read here.
    await expect(page.getByText('admin')).toHaveCount(0)
    await page.getByRole('button', { name: 'Back to Staff room' }).click()
    const refused = await told()
    expect(refused).toMatchObject({ error: 'access_denied', state: 'kept', iss: `${PORTAL()}/oidc` })
    expect(refused).not.toHaveProperty('code')

    await page.goto(request)
    await page.getByRole('link', { name: 'Use another account' }).click()
    await fillSignIn(page, demoAdmin())
    expect(await told()).toMatchObject({ code: expect.any(String), state: 'kept' })
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
