/** Personal access tokens: made without script, shown once, used, and ended in another browser. */
import { axe } from './axe'
import { expect, fillSignIn, PORTAL, test } from './fixtures'

test('a token is made without script, shown once, works at userinfo, and is ended', async ({
  page,
  person,
  signUp,
  mailTo,
  otherBrowser,
}) => {
  await signUp(page, person)
  const plain = await (await otherBrowser({ javaScriptEnabled: false })).newPage()
  await plain.goto('/signin/start?to=/account/tokens')
  await fillSignIn(plain, person)
  await plain.getByRole('textbox', { name: 'Name' }).fill('Nightly <b>export</b>')
  await plain.getByLabel('Ends after').selectOption('7')
  await plain.getByRole('checkbox', { name: 'Your e-mail address' }).check()
  await plain.getByRole('button', { name: 'Make token' }).click()
  const token = (await plain.locator('#token').textContent()) ?? ''
  expect(token).toMatch(/^gtp_[0-9A-Za-z]{38}$/)

  const userinfo = async () =>
    fetch(`${PORTAL()}/oidc/userinfo`, { headers: { authorization: `Bearer ${token}` } })
  const answer = await userinfo()
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { sub: expect.any(String), email: person.email, email_verified: true },
  ])
  expect((await mailTo(person.email)).subject).toContain('personal access token')
  await plain.getByRole('link', { name: 'I have it' }).click()
  expect(await plain.content()).not.toContain(token)

  await page.goto('/account/tokens')
  const row = page.getByRole('listitem').filter({ hasText: 'Nightly <b>export</b>' })
  await expect(row).toContainText(`gtp_…${token.slice(-4)}`)
  await expect(row).toContainText('Your e-mail address')
  expect(await axe(page)).toEqual([])
  await row.getByRole('link', { name: 'End token' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End token' }).click()
  await expect(page.getByText('Nightly <b>export</b> is ended.')).toBeVisible()
  expect((await userinfo()).status).toBe(401)

  // The list has a token while it is still shown.
  await page.getByRole('textbox', { name: 'Name' }).fill('Weekly export')
  await page.getByRole('button', { name: 'Make token' }).click()
  await expect(page.locator('#token')).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: 'Weekly export' })).toBeVisible()
  await expect(page.locator('#token')).toBeVisible()
})
