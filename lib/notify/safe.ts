/** What may enter a mail: addresses that are one plain mailbox, links that are ours, words that are inert. */
import { cleanText } from '../base/caller'
import { env } from '../base/env'

const PLAIN_MAILBOX = /^[^@\s<>"(),:;\\[\]\p{C}]+@[^@\s<>"(),:;\\[\]\p{C}]+$/u

/**
 * The address itself, if it is one plain mailbox: no list, quoting, comment, display name or line break (OTP4).
 * @throws Error otherwise: whoever sends has to ask users.normalizeEmail first
 */
export function mailbox(address: string): string {
  if (address.length > 254 || !PLAIN_MAILBOX.test(address)) throw new Error('not one plain mailbox')
  return address
}

/** An address as operators may see it: enough to recognise, too little to write to. */
export function masked(address: string): string {
  const at = address.lastIndexOf('@')
  return `${address.slice(0, 1)}…${address.slice(at)}`
}

/**
 * The link itself, if it leads to this portal.
 * @throws Error otherwise: no mail of ours links elsewhere, whatever it was given (HST1)
 */
export function ours(link: string): string {
  const url = URL.canParse(link) ? new URL(link) : null
  if (url?.origin !== env().url || url.username) throw new Error('a mail may only link to the public origin')
  return url.href
}

/**
 * Text from outside as one short inert line, or null when mail programs would make a link of it
 * (CVE-2022-31127): they do so with anything that looks like a host name, also in plain text.
 */
export function inert(text: string | null | undefined, maxLength = 60): string | null {
  const line = cleanText((text ?? '').normalize('NFKC'), maxLength).toWellFormed()
  if (!line || /[\\/@<>]|www\.|[\p{L}\p{N}][.。｡]\p{L}{2,}/iu.test(line)) return null
  return line
}

/** One header's worth of text. */
export const headerLine = (text: string): string => cleanText(text, 180)
