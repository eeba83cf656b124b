/** The administration of apps: an operator's day with one, and that to everybody else there is no such place. */
import type { Locator } from '@playwright/test'
import { startCarelessApp } from '../lib/clinic/careless-app.fixture'
import { freePort } from '../scripts/free-port.mjs'
import { builtRoutes } from './actions'
import { age, sql } from './aging'
import { gatehouse } from './command'
import { expect, fillSignIn, test } from './fixtures'
import { demoAdmin, newPerson } from './people'
import { Visitor } from './visitor'

/** Script that wakes up between the choice of the old text and the new one takes the choice away: so it is looked at. */
async function write(field: Locator, text: string): Promise<void> {
  await expect(async () => {
    await field.fill(text)
    expect(await field.inputValue()).toBe(text)
  }).toPass({ timeout: 15_000 })
}

test('an operator registers an app, sees its secret once, mends it, rotates the secret and switches it off', async ({
  page,
  baseURL,
}) => {
  await page.goto('/signin/start')
  await fillSignIn(page, demoAdmin())
  await page.getByRole('button', { name: /menu/i }).click()
  await page.getByRole('link', { name: 'Administration' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Apps' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'Demo app' })).toBeVisible()

  const name = `Shop ${newPerson().email}`
  await page.getByRole('link', { name: 'Register an app' }).click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  const uris = page.getByLabel('Redirect URIs')
  await write(uris, 'http://shop.example.com/callback')
  await page.getByRole('button', { name: 'Register' }).click()
  await expect(page.getByText('http://shop.example.com/callback must be https')).toBeVisible()
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue(name)
  await write(uris, 'https://shop.example.com/callback')
  await page.getByRole('button', { name: 'Register' }).click()
  const shown = page.locator('code', { hasText: /^gts_/ })
  const secret = await shown.innerText()
  const clientId = await page.locator('code').first().innerText()
  expect(secret).toMatch(/^gts_[\w-]{43}$/)
  await page.getByRole('link', { name: 'I’ve kept it' }).click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  expect(await page.content()).not.toContain(secret)
  await expect(page.getByText(`gts_…${secret.slice(-4)}`)).toBeVisible()
  const introspect = async (by: string) =>
    (
      await fetch(`${baseURL}/oidc/introspection`, {
        method: 'POST',
        body: new URLSearchParams({ token: 'x' }),
        headers: { authorization: `Basic ${Buffer.from(`${clientId}:${by}`).toString('base64')}` },
      })
    ).status
  expect(await introspect(secret)).toBe(200)

  await page.getByRole('link', { name: 'Change' }).click()
  await write(uris, 'https://shop.example.com/callback\nhttps://*.example.com/callback')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('must not have a wildcard')).toBeVisible()
  await expect(uris).toHaveValue('https://shop.example.com/callback\nhttps://*.example.com/callback')
  await write(uris, 'https://shop.example.com/callback\n\nhttps://shop.example.com/second')
  await page.getByLabel('Stays signed in').uncheck()
  await page.getByLabel('Asks for a new proof after').fill('90')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('Saved. It holds from the next request on.')).toBeVisible()
  await expect(page.getByText('https://shop.example.com/second')).toBeVisible()
  await expect(page.getByText('90 minutes')).toBeVisible()
  await expect(page.getByText('refresh_token', { exact: true })).toHaveCount(0)

  // What its developers get wrong stands on its page, with the request's id.
  const wrong = new Visitor()
  await wrong.get(
    `/oidc/auth?client_id=${clientId}&response_type=code&scope=openid&redirect_uri=https://shop.example.com/third`,
  )
  await page.reload()
  const refused = page.locator('#log')
  await expect(refused.getByText('invalid_redirect_uri')).toBeVisible()
  await expect(refused.getByText('It asked for https://shop.example.com/third')).toBeVisible()

  // What the clinic finds wrong with it stands on a page of its own, with what to do.
  await page.getByRole('link', { name: 'Clinic', exact: true }).click()
  await expect(page.getByText('This app is not a test client')).toBeVisible()
  await expect(page.getByText(`npx gatehouse client update ${clientId} --test-client`)).toBeVisible()
  await expect(page.getByText('No report yet')).toBeVisible()
  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const careless = await startCarelessApp({ issuer, clientId, clientSecret: secret })
  await gatehouse([
    'client',
    'update',
    clientId,
    '--test-client',
    '--redirect-uri',
    `${careless.url}/callback`,
  ])
  const start = ['--start-url', `${careless.url}/login`, '--port', String(port)]
  await expect(gatehouse(['clinic', clientId, ...start])).rejects.toThrow('An ID token of another issuer')
  await careless.close()
  await page.reload()
  await expect(page.getByText('The app did 26 things wrong.')).toBeVisible()
  await expect(page.getByText('Compare iss with the issuer, character by character.')).toBeVisible()
  await expect(page.getByText('This app is not a test client')).toHaveCount(0)
  await page.getByRole('link', { name: 'Back to the app' }).click()

  await page.getByRole('link', { name: 'New secret' }).click()
  await page.getByLabel('Older secrets end').selectOption('After an hour')
  await page.getByRole('button', { name: 'New secret' }).click()
  const second = await page.getByRole('dialog').locator('code', { hasText: /^gts_/ }).innerText()
  expect([await introspect(secret), await introspect(second)]).toEqual([200, 200])
  await page.getByRole('link', { name: 'I’ve kept it' }).click()
  await expect(page.locator('#secrets').getByText('ends')).toHaveCount(1)

  await page.getByRole('link', { name: 'Switch off' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Switch off' }).click()
  await expect(page.getByText('The app is switched off.')).toBeVisible()
  expect(await introspect(second)).toBe(401)

  await page.getByRole('link', { name: 'Remove' }).click()
  await page.getByLabel('Type the app’s name').fill('Another')
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await expect(page.getByText('That is not the app’s name.')).toBeVisible()
  await page.getByLabel('Type the app’s name').fill(name)
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await expect(page.getByText(`${name} is removed.`)).toBeVisible()
  await page.getByLabel('Name or client ID').fill(clientId)
  await page.getByRole('button', { name: 'Search' }).click()
  await expect(page.getByText('Nothing found')).toBeVisible()
})

test('an operator does the same with script off, and a long form that is refused keeps all that was typed', async ({
  otherBrowser,
  baseURL,
}) => {
  const page = await (await otherBrowser({ javaScriptEnabled: false })).newPage()
  await page.goto('/signin/start?to=/admin/register')
  await fillSignIn(page, demoAdmin())
  const name = `Plain ${newPerson().email}`
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Redirect URIs').fill('https://plain.example.com/cb')
  await page.getByRole('button', { name: 'Register' }).click()
  await expect(page.locator('code', { hasText: /^gts_/ })).toBeVisible()
  const clientId = await page.locator('code').first().innerText()
  const secret = await page.locator('code', { hasText: /^gts_/ }).innerText()
  await page.getByRole('link', { name: 'I’ve kept it' }).click()

  // Fields of every kind, each with something in it that is not there now; one of them cannot be.
  await page.getByRole('link', { name: 'Change' }).click()
  const typed: Record<string, string> = {
    redirectUris: 'https://plain.example.com/cb\nhttps://plain.example.com/two',
    postLogoutRedirectUris: 'https://plain.example.com/bye',
    clientUri: 'https://plain.example.com/',
    policyUri: 'https://plain.example.com/policy',
    tosUri: 'https://plain.example.com/terms',
    supportUri: 'https://plain.example.com/help',
    brandColor: '#0a7d5c',
    welcomeEn: 'The <b>plain</b> shop & more',
    jwks: '{ "keys": [',
    sessionIdleMinutes: '15',
    sessionMaxMinutes: '480',
    backchannelLogoutUri: 'https://plain.example.com/back',
    frontchannelLogoutUri: 'https://plain.example.com/front',
  }
  const chosen = { security: 'par', acr: 'aal2', idTokenAlg: 'RS256', authMethod: 'client_secret_post' }
  const ticked = ['native', 'claimsInIdToken', 'backchannelLogoutSessionRequired', 'deviceCode']
  for (const [field, value] of Object.entries(typed)) await page.locator(`#${field}`).fill(value)
  for (const [field, value] of Object.entries(chosen)) await page.locator(`#${field}`).selectOption(value)
  for (const field of ticked) await page.locator(`[name=${field}]`).check()
  await page.locator('[name=refreshToken]').uncheck()
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('must be JSON')).toBeVisible()
  await expect(page.getByRole('main').getByRole('link', { name: 'Its public keys' })).toBeVisible()
  const holds = async () => {
    for (const [field, value] of Object.entries({ ...typed, ...chosen }))
      await expect(page.locator(`#${field}`)).toHaveValue(value)
    for (const field of ticked) await expect(page.locator(`[name=${field}]`)).toBeChecked()
    await expect(page.locator('[name=refreshToken]')).not.toBeChecked()
  }
  await holds()
  typed.jwks = ''
  await page.locator('#jwks').fill('')
  // A form of 60,000 characters is still filled in after the proof that it asks for.
  const bye = (n: number) => `https://plain.example.com/bye?${n}=${'x'.repeat(1900)}`
  typed.postLogoutRedirectUris = Array.from({ length: 30 }, (_, n) => bye(n)).join('\n')
  await page.locator('#postLogoutRedirectUris').fill(typed.postLogoutRedirectUris)
  await age(page, demoAdmin(), true)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('link', { name: 'Confirm now' }).click()
  await page.getByLabel('Password', { exact: true }).fill(demoAdmin().password)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByText('What you typed is still here')).toBeVisible()
  await holds()
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('Saved. It holds from the next request on.')).toBeVisible()
  await page.getByRole('link', { name: 'Change' }).click()
  await holds()

  // On the way to it the hosted pages wear its colour and say its line, as plain text, in light and in dark.
  const request = {
    ...{ client_id: clientId, client_secret: secret, response_type: 'code', scope: 'openid' },
    ...{ redirect_uri: 'https://plain.example.com/two', code_challenge_method: 'S256' },
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  }
  const pushed = await fetch(`${baseURL}/oidc/par`, { method: 'POST', body: new URLSearchParams(request) })
  const { request_uri } = (await pushed.json()) as { request_uri: string }
  const visitor = await (await otherBrowser()).newPage()
  await visitor.goto(`/oidc/auth?${new URLSearchParams({ client_id: clientId, request_uri })}`)
  await expect(visitor.getByText('The <b>plain</b> shop & more')).toBeVisible()
  const button = visitor.getByRole('button', { name: 'Sign in', exact: true })
  const contrast = () =>
    button.evaluate((it) => [getComputedStyle(it).backgroundColor, getComputedStyle(it).color])
  expect(await contrast()).toEqual(['rgb(10, 125, 92)', 'rgb(255, 255, 255)'])
  await visitor.emulateMedia({ colorScheme: 'dark' })
  await expect.poll(async () => (await contrast())[0]).not.toBe('rgb(67, 83, 201)')
  for (const link of ['privacy policy', 'terms', 'Help with'])
    await expect(visitor.getByRole('link', { name: new RegExp(link, 'i') })).toBeVisible()
  await visitor.getByRole('link', { name: 'Create account' }).click()
  await expect(visitor.getByText('The <b>plain</b> shop & more')).toBeVisible()

  const path = `/admin/apps/${clientId}`
  await page.goto(`${path}/connect`)
  await expect(page.getByRole('region', { name: 'app.mjs' })).toContainText('ClientSecretPost(CLIENT_SECRET)')
  await page.goto(`${path}/trial?test=1&scope=email`)
  await expect(page.locator('#course')).toContainText('It asks for two factors')
  await expect(page.locator('#gets')).toContainText('"email": "ada@example.com"')
  await page.goto(`${path}/claims?template=hasura`)
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('It holds from the next token on.')).toBeVisible()
  await page.getByLabel('Person').fill('ada@example.com')
  await page.getByRole('button', { name: 'Show' }).click()
  await expect(page.getByRole('cell', { name: /x-hasura-user-id/ })).toBeVisible()

  await page.goto(path)
  await page.getByRole('link', { name: 'New secret' }).click()
  await page.getByRole('button', { name: 'New secret' }).click()
  await expect(page.locator('code', { hasText: /^gts_/ })).toBeVisible()
  await page.getByRole('link', { name: 'I’ve kept it' }).click()
  await page.getByRole('link', { name: 'Switch off' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Switch off' }).click()
  await expect(page.getByText('The app is switched off.')).toBeVisible()

  // One that a document describes has in its form what can be set of it, and that is saved.
  await sql(`UPDATE clients SET settings = settings || '{"registered": "document"}' WHERE id = $1`, [
    clientId,
  ])
  await page.goto(`${path}/edit`)
  await expect(page.getByLabel('Name', { exact: true })).toHaveCount(0)
  await page.getByLabel('Asks for a new proof after').fill('45')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('Saved. It holds')).toBeVisible()
  await expect(page.locator('#registration')).toContainText('45 minutes')
  await expect(page.locator('#registration')).toContainText('https://plain.example.com/two')
})

test('to_whoever_is_no_operator_now_there_is_no_administration', async () => {
  // The one that stays, whatever others register and remove meanwhile.
  const all: { client_id: string; name: string }[] = JSON.parse(await gatehouse(['client', 'list', '--json']))
  const app = all.find(({ name }) => name === 'Demo app')?.client_id ?? ''
  const paths = builtRoutes()
    .pages.filter((route) => route.startsWith('/admin'))
    .map((route) => route.replace('[id]', app))
  expect(paths.length).toBeGreaterThan(3)
  const [person, nobody] = [newPerson(), new Visitor()]
  const visitor = new Visitor()
  await visitor.signUp(person)
  const nowhere = await visitor.get('/no/such/page')
  const none = async (who: Visitor) => {
    for (const path of paths) {
      expect([path, (await who.get(path)).status]).toEqual([path, 404])
      for (const headers of [{}, { rsc: '1' }]) {
        const answer = await who.get(path, headers)
        expect(answer.body, path).not.toContain('Demo app')
        expect(answer.body, path).not.toContain('Register an app')
      }
    }
  }
  await none(nobody)
  await none(visitor)
  expect(nowhere.status).toBe(404)
  const menu = 'href="/admin/apps"'
  expect((await visitor.get('/account')).body).not.toContain(menu)
  // The same cookie, before and after: the role is asked for anew each time.
  await gatehouse(['user', 'roles', person.email, '--set', 'admin'])
  for (const path of paths) expect((await visitor.get(path)).status, path).toBe(200)
  expect((await visitor.get('/account')).body).toContain(menu)
  await gatehouse(['user', 'roles', person.email, '--set', 'user'])
  await none(visitor)
})
