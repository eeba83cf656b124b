import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Redis } from 'ioredis'
import { expect, test } from './fixtures'
import { latestMail } from './mailbox'
import { addNumber, confirmNumber, newNumber } from './phone'

test('a number is added, confirmed by its code, told by mail, made primary, removed', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await page.getByRole('link', { name: 'Phones', exact: true }).click()
  await expect(page.getByText('No numbers yet')).toBeVisible()

  const first = newNumber()
  await addNumber(page, first)
  const text = await latestMail(first.stored)
  expect(text.text).toMatch(/\n\n@localhost #\d{6}$/)
  await page.getByLabel('6-digit code').fill(text.codes[0] === '000000' ? '000001' : '000000')
  await page.getByRole('button', { name: 'Confirm number' }).click()
  await expect(page.getByText('That code isn’t right')).toBeVisible()
  await confirmNumber(page, first)
  await expect(page.getByText('It is now a way back into your account.')).toBeVisible()
  await expect(page.getByText('Primary', { exact: true })).toBeVisible()
  const notice = await latestMail(person.email, 2)
  expect(notice.subject).toContain('A phone number was added')

  const second = newNumber()
  await addNumber(page, second)
  await expect(page.getByText(/Send a new code in \d+ s/)).toBeVisible()
  await confirmNumber(page, second)
  await page.getByRole('link', { name: /^Make \+49 160 .* primary$/ }).click()
  await page.getByRole('button', { name: 'Make primary' }).click()
  await expect(page.getByText('is your primary number now.')).toBeVisible()

  await page
    .getByRole('link', { name: /^Remove \+49 160/ })
    .last()
    .click()
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  await expect(page.getByText('is removed.')).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: '+49 160' })).toHaveCount(1)
})

test('a number is written as it is typed, and one with + chooses its country', async ({
  page,
  person,
  signUp,
}) => {
  await signUp(page, person)
  await page.goto('/account/phones')
  const field = page.getByLabel('Mobile number')
  await page.getByLabel('Country').selectOption('DE')
  await field.focus()
  // What formats it is fetched on focus; the first letters may come before it.
  await expect(async () => {
    await field.fill('')
    await field.pressSequentially('016012345678')
    await expect(field).toHaveValue('0160 12345678', { timeout: 500 })
  }).toPass()
  await field.fill('')
  await field.pressSequentially('+41791234567')
  await expect(field).toHaveValue('+41 79 123 45 67')
  await expect(page.getByLabel('Country')).toHaveValue('CH')
  await field.press('Backspace')
  await expect(field).toHaveValue('+41 79 123 45 6')
  await page.getByRole('button', { name: 'Text me a code' }).click()
  await expect(page.getByText('Enter one mobile number')).toBeVisible()
  await expect(field).toHaveValue('+41 79 123 45 6')
})

test('number_of_somebody_else_looks_like_any_other_and_its_owner_is_told', async ({
  page,
  person,
  signUp,
  otherBrowser,
}) => {
  await signUp(page, person)
  const number = newNumber()
  await addNumber(page, number)
  await confirmNumber(page, number)
  await expect(page.getByText('It is now a way back')).toBeVisible()

  const { newPerson } = await import('./people')
  const theirs = await (await otherBrowser()).newPage()
  await signUp(theirs, newPerson())
  await addNumber(theirs, number)
  await expect(theirs.getByText('We texted a 6-digit code to this number.')).toBeVisible()
  const told = await latestMail(number.stored, 2)
  expect(told.codes).toEqual([])
  expect(told.text).toContain('another account')
})

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false })

  test('a number is added and confirmed', async ({ page, person, signUp }) => {
    await signUp(page, person)
    const number = newNumber()
    await addNumber(page, number)
    await confirmNumber(page, number)
    await expect(page.getByText('It is now a way back into your account.')).toBeVisible()
  })
})

test('while the driver takes no text messages the pages say so and offer another way', async ({
  page,
  person,
  signUp,
}) => {
  const { redisUrl } = JSON.parse(readFileSync(path.join(process.env.E2E_DATA ?? '', 'run.json'), 'utf8'))
  const redis = new Redis(redisUrl)
  // What a failed delivery notes, and the next one that succeeds takes back.
  const fail = () =>
    redis.set('sms:trouble', JSON.stringify({ since: new Date().toISOString(), error: '503' }), 'EX', 60)
  try {
    await signUp(page, person)
    const number = newNumber()
    await fail()
    await page.goto('/account/phones')
    await expect(page.getByText('Our text messages don’t get through right now')).toBeVisible()
    await addNumber(page, number)
    await fail()
    await page.reload()
    await expect(page.getByText(/text messages don’t get through/i)).toBeVisible()
    await page.context().clearCookies()
    await page.goto('/signin/start?to=/account')
    await page.getByRole('link', { name: 'Use your phone' }).click()
    await fail()
    await page.reload()
    await expect(page.getByText(/text messages don’t get through/i)).toBeVisible()
    await page
      .getByRole('link', { name: /e-mail/i })
      .first()
      .click()
    await expect(page).toHaveURL(/\/signin\?flow=/)
  } finally {
    await redis.del('sms:trouble')
    redis.disconnect()
  }
})
