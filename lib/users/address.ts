/**
 * One mailbox and nothing else. What is validated is what is stored and what is mailed: the result
 * is the only form of an address that the house ever keeps (OTP4, next-auth GHSA-7rqj, CVE-2022-35924).
 */
import { domainToASCII } from 'node:url'
import { ok, type Result, refuse } from '../base/refusals'

/** RFC 5321 section 4.5.3.1: path 256 with its brackets, local part 64, RFC 1035 label 63. */
const MAX_ADDRESS = 254
const MAX_LOCAL = 64
/** RFC 1035 section 2.3.4. */
const MAX_DOMAIN = 253

/**
 * Dot-atom of RFC 5321 section 4.1.2 in ASCII. Left out on purpose: quoted strings, and `%` and `!`,
 * which old relays read as a route to another mailbox.
 */
const LOCAL = /^[a-z0-9#$&'*+/=?^_`{|}~-]+(\.[a-z0-9#$&'*+/=?^_`{|}~-]+)*$/i

/** Letters, digits, marks, hyphens and the one ASCII dot: domainToASCII would decode %41 and cut at "/". */
const DOMAIN_TYPED = /^[\p{L}\p{N}\p{M}.-]+$/u
const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/
const TOP_LABEL = /^(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})$/

/**
 * The one stored form of an e-mail address: local part as typed, domain in lower-case punycode.
 * Refused: lists, display names, quoted or commented parts, control characters and line breaks,
 * look-alike at-signs and every other compatibility form (NFKC differs), IP literals, more than 254
 * octets. The local part is ASCII: letters that look alike would make two accounts of one name.
 * Case is kept in the local part because the far server may care; the column folds it (citext).
 * @returns refusal `invalid_email`
 */
export function normalizeEmail(input: unknown): Result<string> {
  const no = refuse('invalid_email', { field: 'email' })
  if (typeof input !== 'string' || input.length > 2 * MAX_ADDRESS) return no
  // Only blanks at the ends, which keyboards add: a line break must not be forgiven.
  const text = input.replace(/^ +| +$/g, '').normalize('NFC')
  if (text.normalize('NFKC') !== text) return no

  const at = text.indexOf('@')
  if (at < 1 || at !== text.lastIndexOf('@')) return no
  const local = text.slice(0, at)
  const domain = domainOf(text.slice(at + 1))
  if (local.length > MAX_LOCAL || !LOCAL.test(local) || !domain) return no

  const address = `${local}@${domain}`
  return address.length <= MAX_ADDRESS ? ok(address) : no
}

/**
 * The one form of the domain of an address: lower case, punycode. What a keyboard adds is not forgiven.
 * @returns null for what no address can end with
 */
export function domainOf(typed: string): string | null {
  if (typed.length > MAX_ADDRESS || typed.normalize('NFKC') !== typed || !DOMAIN_TYPED.test(typed))
    return null
  const domain = domainToASCII(typed)
  // ASCII that IDNA changed beyond its case was an IP address in disguise or an invalid label.
  if (/^[\0-\x7f]*$/.test(typed) && domain !== typed.toLowerCase()) return null
  const labels = domain.split('.')
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return null
  return domain.length <= MAX_DOMAIN && TOP_LABEL.test(labels.at(-1) ?? '') ? domain : null
}
