/** Phone numbers of people in journeys, and how they come into an account. */
import { randomInt } from 'node:crypto'
import type { Page } from '@playwright/test'
import { expect } from './fixtures'
import { latestMail } from './mailbox'

export interface PhoneNumber {
  /** As its owner writes it. */
  typed: string
  stored: string
}

/** A German mobile number nobody has had before. */
export function newNumber(): PhoneNumber {
  const rest = String(randomInt(10_000_000)).padStart(7, '0')
  return { typed: `0160 ${rest}`, stored: `+49160${rest}` }
}

/** Adds a number in the console; its code is on its way then. */
export async function addNumber(page: Page, number: PhoneNumber): Promise<void> {
  await page.goto('/account/phones')
  await page.getByLabel('Country').selectOption('DE')
  await page.getByLabel('Mobile number').fill(number.typed)
  await page.getByRole('button', { name: 'Text me a code' }).click()
  await expect(page.getByRole('heading', { name: /^Confirm \+49 160/ })).toBeVisible()
}

export async function confirmNumber(page: Page, number: PhoneNumber, portal?: string): Promise<void> {
  const { codes } = await latestMail(number.stored, 1, portal)
  await page.getByLabel('6-digit code').fill(codes[0] ?? '')
  await page.getByRole('button', { name: 'Confirm number' }).click()
}
