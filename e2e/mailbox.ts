/** Reads the built-in mailbox, straight from this machine as a developer would, or what an SMTP server received. */
import { expect } from '@playwright/test'

export interface Mail {
  id: string
  at: string
  to: string
  subject: string
  text: string
  html: string
  links: string[]
  codes: string[]
}

export async function mailsTo(address: string, portal = process.env.E2E_URL): Promise<Mail[]> {
  // The mail of the portal that has an SMTP server is read from there.
  const { E2E_MAIL, E2E_URL } = process.env
  const box = E2E_MAIL && portal === E2E_URL ? E2E_MAIL : `${portal}/dev/mailbox.json`
  const answer = await fetch(`${box}?to=${encodeURIComponent(address)}`)
  expect(answer.status).toBe(200)
  return (await answer.json()) as Mail[]
}

/** The newest mail to an address, once there are at least `count`. */
export async function latestMail(address: string, count = 1, portal = process.env.E2E_URL): Promise<Mail> {
  let mails: Mail[] = []
  const arrived = async () => {
    mails = await mailsTo(address, portal)
    return mails.length
  }
  await expect.poll(arrived, { intervals: [10, 20, 40, 80], timeout: 15_000 }).toBeGreaterThanOrEqual(count)
  const [newest] = mails
  if (!newest) throw new Error('no mail')
  return newest
}

/** The newest mail to an address whose subject says `words`. */
export async function mailAbout(address: string, words: string): Promise<Mail> {
  const found = async () => (await mailsTo(address)).find(({ subject }) => subject.includes(words))
  await expect.poll(async () => Boolean(await found()), { timeout: 15_000 }).toBe(true)
  const mail = await found()
  if (!mail) throw new Error('no mail')
  return mail
}

/** The link of a mail to a page of ours; empty where it has none. */
export const linkTo = (mail: Mail, pathname: string): string =>
  mail.links.find((link) => new URL(link).pathname === pathname) ?? ''
