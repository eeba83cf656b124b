/** The history of an account: seen, filtered, downloaded, checked, and acted upon. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, fillSignIn, test } from './fixtures'
import { latestMail } from './mailbox'

/** A formula, markup and a text that runs the other way, as a browser may call itself. */
const EVIL = `=HYPERLINK("http://evil.example","x") <img src=x onerror=alert(1)>`

test('what happened is shown, filtered, downloaded whole and checked; "this wasn’t me" ends it', async ({
  page,
  person,
  signUp,
  signIn,
  otherBrowser,
}) => {
  page.on('dialog', () => expect(true, 'no script of a stranger').toBe(false))
  await signUp(page, person)
  const elsewhere = await (await otherBrowser({ userAgent: EVIL })).newPage()
  await elsewhere.goto('/signin/start')
  await fillSignIn(elsewhere, { ...person, password: 'not the password' })
  await elsewhere.getByText('don’t match').waitFor()
  await signIn(elsewhere, person)

  await page.goto('/account')
  await page.getByRole('navigation', { name: 'Account' }).getByRole('link', { name: 'Activity' }).click()
  const events = page.getByRole('list', { name: 'Activity' }).getByRole('listitem')
  const failed = events.filter({ hasText: 'Sign-in failed with password' })
  await expect(failed).toHaveCount(1)
  await expect(failed.getByText('This device')).toHaveCount(0)
  await expect(events.filter({ hasText: 'Account opened' })).toHaveCount(1)
  const own = events.filter({ hasText: 'This session' })
  await expect(own.first()).toContainText('Signed in with')

  await page.getByText('Filter', { exact: true }).click()
  await page.getByLabel('Outcome').selectOption('Failed')
  await page.getByRole('button', { name: 'Show', exact: true }).click()
  await expect(page).toHaveURL(/outcome=failure/)
  await expect(events).toHaveCount(1)
  await expect(page.getByLabel('Outcome')).toHaveValue('failure')
  await page.getByRole('link', { name: 'Show everything' }).click()
  await page.getByText('Filter', { exact: true }).click()
  await page.getByLabel('From', { exact: true }).fill('2020-01-01')
  await page.getByLabel('Until').fill('2020-12-31')
  await page.getByRole('button', { name: 'Show', exact: true }).click()
  await expect(page.getByText('Nothing of this kind happened')).toBeVisible()
  // What no form asks is no question.
  for (const query of [
    'kind=__proto__',
    'outcome[contains]=',
    'from=2020-99-99',
    "app=' OR 1=1",
    'before=x',
  ]) {
    expect((await page.goto(`/account/activity?${query}`))?.status(), query).toBe(200)
  }

  await page.goto('/account/activity?outcome=failure')
  const [csv] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download CSV' }).click(),
  ])
  expect(csv.suggestedFilename()).toMatch(/^activity-\d{4}-\d\d-\d\d\.csv$/)
  const table = readFileSync(await csv.path(), 'utf8')
  expect(table.split('\r\n').filter(Boolean)).toHaveLength(2)
  expect(table).toContain(`"'=HYPERLINK(""http://evil.example"",""x"") <img src=x onerror=alert(1)>"`)
  expect(table).not.toMatch(/(^|,|")[=+@-]/m)

  const answer = await page.request.get('/account/activity/export?format=json')
  expect(answer.headers()).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'content-disposition': expect.stringContaining('attachment'),
  })
  const history = await answer.json()
  expect(history.events.length).toBeGreaterThanOrEqual(5)
  expect(history.events.at(-1)).toMatchObject({ type: 'session.opened', what: 'Signed in with password' })
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'gatehouse-activity-')), 'activity.json')
  const check = (content: unknown) => {
    writeFileSync(file, JSON.stringify(content))
    return spawnSync(process.execPath, ['docs/verify-events.mjs', file], { encoding: 'utf8' })
  }
  expect(check(history)).toMatchObject({ status: 0 })
  expect(check({ ...history, events: history.events.slice(0, -1) })).toMatchObject({ status: 1 })

  // Whoever is not signed in gets nothing of it, and nobody else's is anybody's.
  const stranger = await (await otherBrowser()).newPage()
  const refused = await stranger.request.get('/account/activity/export', { maxRedirects: 0 })
  expect(refused.status()).toBe(303)
  expect(refused.headers().location).toContain('/signin/start')

  const mail = await latestMail(person.email, 2)
  expect(mail.subject).toContain('New sign-in')
  await page.goto(mail.links.find((link) => link.includes('/lockdown')) ?? '')
  await page.getByRole('button', { name: 'Lock my account' }).click()
  await page.waitForURL('**/lockdown/done')
  await elsewhere.goto('/account')
  await expect(elsewhere).toHaveURL(/\/signin/)
})
