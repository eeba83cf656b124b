/** The development mailbox: where mail goes while there is no mail server and the origin is this machine's own. */
import { env } from '../base/env'
import { type KeptMail, kept } from './store'

/** A message with what one would look for in it. */
export interface MailboxMessage extends KeptMail {
  /** Addresses in the text, in order, each once. */
  links: string[]
  /** Six-digit codes in the text outside of addresses, in order, each once. */
  codes: string[]
}

/** Only without SMTP_URL and only on a loopback origin; everywhere else there is no mailbox at all. */
export const enabled = (): boolean => env().loopback && !env().smtpUrl

const URLS = /https?:\/\/[^\s<>"]+/g

function withFindings(mail: KeptMail): MailboxMessage {
  const links = [...new Set(mail.text.match(URLS) ?? [])]
  const codes = [...new Set(mail.text.replace(URLS, ' ').match(/(?<![\d.:-])\d{6}(?![\d.:-])/g) ?? [])]
  return { ...mail, links, codes }
}

/**
 * Kept messages, newest first; none where the mailbox is not enabled.
 * @param filter.to only those to this address, letter case aside
 */
export async function list(filter: { to?: string; limit?: number } = {}): Promise<MailboxMessage[]> {
  if (!enabled()) return []
  const to = filter.to?.trim().toLowerCase()
  return (await kept())
    .filter((mail) => !to || mail.to.toLowerCase() === to)
    .slice(0, filter.limit ?? 50)
    .map(withFindings)
}

/** One message, or null. */
export async function get(id: string): Promise<MailboxMessage | null> {
  return (await list({ limit: Number.POSITIVE_INFINITY })).find((mail) => mail.id === id) ?? null
}
