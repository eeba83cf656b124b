/** Sensitive changes ask for a fresh proof, and lead back to the form as it was (STP1). */
import type { Page } from '@playwright/test'
import { age, sql } from './aging'
import { expect, fillSignIn, test } from './fixtures'
import type { Person } from './people'

const KEPT = 'What you typed is still here'

async function prove(page: Page, person: Person): Promise<void> {
  await expect(page.getByRole('heading', { name: 'Confirm it’s you' })).toBeVisible()
  await page.getByLabel('Password', { exact: true }).fill(person.password)
  await page.getByRole('button', { name: 'Continue' }).click()
}

test('the form is still filled in after the proof that it asked for, and nothing happened meanwhile', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  const second = `second-${person.email}`
  await signUp(page, person)
  await page.goto('/account/emails')
  await age(page, person)
  await page.getByLabel('E-mail').fill(second)
  await page.getByRole('button', { name: 'Add address' }).click()
  await expect(page.getByText('confirm that it is you')).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveValue(second)

  // Another browser of the same person has a draft of its own: none.
  const elsewhere = await (await otherBrowser()).newPage()
  await elsewhere.goto('/signin/start?to=/account/emails')
  await fillSignIn(elsewhere, person)
  await expect(elsewhere.getByLabel('E-mail')).toHaveValue('')

  await page.getByRole('link', { name: 'Confirm now' }).click()
  await prove(page, person)
  await expect(page).toHaveURL(/\/account\/emails#add$/)
  await expect(page.getByText(KEPT)).toBeVisible()
  await expect(page.getByLabel('E-mail')).toHaveValue(second)
  const count = 'SELECT count(*)::int AS n FROM emails WHERE address = $1'
  expect((await sql(count, [second]))[0]).toEqual({ n: 0 })

  await page.getByRole('button', { name: 'Add address' }).click()
  await expect(page.getByLabel('6-digit code')).toBeVisible()
  await page.goto('/account/emails')
  await expect(page.getByText(KEPT)).toHaveCount(0)
  await expect(page.getByLabel('E-mail')).toHaveValue('')
})

test('the same with script off', async ({ person, signUp, otherBrowser, page, context }) => {
  const second = `second-${person.email}`
  await signUp(page, person)
  const plain = await otherBrowser({ javaScriptEnabled: false })
  await plain.addCookies(await context.cookies())
  const bare = await plain.newPage()
  await bare.goto('/account/emails')
  await age(bare, person)
  await bare.getByLabel('E-mail').fill(second)
  await bare.getByRole('button', { name: 'Add address' }).click()
  await bare
    .getByRole('link', { name: /Confirm/ })
    .first()
    .click()
  await prove(bare, person)
  await expect(bare.getByText(KEPT)).toBeVisible()
  await expect(bare.getByLabel('E-mail')).toHaveValue(second)
})
