/**
 * The words of text messages, in the 7-bit alphabet of GSM 03.38 (3GPP TS 23.038): one letter outside of
 * it would halve the room of a message and double its price.
 */
import { createTranslator } from 'use-intl/core'
import { env } from '../base/env'
import { messages } from '../texts'
import { ours } from './safe'
import { spoken } from './words'

/** What each message needs to be told. */
export interface SmsProps {
  /** Proves a number that is being added to an account. */
  verify_phone: { code: string; minutes: number }
  /** Signs its reader in. */
  sign_in_code: { code: string; minutes: number }
  /** To the owner of a number that somebody wanted to add to another account. */
  number_taken: Record<string, never>
  /** Somebody asked to recover the account; `url` leads to the page that stops it. */
  recovery_requested: { url: string; hours: number }
  /** Something about the ways into the account changed; the mail says what. */
  security_notice: { url: string }
  /** Somebody signed in from a new device, or unusually; the mail says more. */
  sign_in_notice: { url: string }
}

export type SmsName = keyof SmsProps

const BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà'
/** Two septets each. */
const EXTENDED = '\f^{}\\[~]|€'

const SINGLE = new Set(BASIC)
const DOUBLE = new Set(EXTENDED)

/** Septets a text takes, or null when a letter is not in the alphabet. One message holds 160. */
export function septets(text: string): number | null {
  let count = 0
  for (const letter of text) {
    if (SINGLE.has(letter)) count += 1
    else if (DOUBLE.has(letter)) count += 2
    else return null
  }
  return count
}

const PLAIN: Record<string, string> = {
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '„': '"',
  '–': '-',
  '—': '-',
  '…': '...',
}

/** A name in that alphabet: accents dropped where it has none for the letter; null when that is not enough. */
export function plainName(text: string): string | null {
  let plain = ''
  for (const letter of text.normalize('NFC').replace(/[‘’“”„–—…]/g, (sign) => PLAIN[sign] ?? '')) {
    const bare = septets(letter) === null ? letter.normalize('NFD').replace(/\p{M}/gu, '') : letter
    if (septets(bare) === null) return null
    plain += bare
  }
  return plain.trim() || null
}

/** Room for the name in a message of 160. */
const MAX_NAME = 24

/** How the house calls itself in a text message. */
function sender(): { product: string; host: string } {
  const { productName, url } = env()
  const host = new URL(url).hostname
  const name = plainName(productName)
  return { product: name && name.length <= MAX_NAME ? name : host, host }
}

export interface Sms {
  text: string
  /** For drivers that write their own text around a code. */
  code: string | null
}

/**
 * Writes a message in its reader's language. One with a code ends in the line that binds the code to
 * this host (WICG, "Origin-bound one-time codes delivered via SMS"), so that phones fill it in here and
 * nowhere else.
 * @throws Error when a word is missing, a link leads elsewhere, or a letter is not in the alphabet (bugs)
 */
export function composeSms<Name extends SmsName>(name: Name, locale: string, props: SmsProps[Name]): Sms {
  const t = createTranslator({
    locale: spoken(locale),
    messages: messages(locale),
    namespace: 'sms',
    onError: (error) => {
      throw error
    },
  })
  const { product, host } = sender()
  const { code, url }: { code?: string; url?: string } = props
  const values = { hours: 0, minutes: 0, code: '', ...props, product, url: url ? ours(url) : '' }
  // The words' own types ask for the values of each key by itself; here the key is a parameter.
  const write = t as unknown as (key: SmsName, values: Record<string, string | number>) => string
  const sentence = write(name, values)
  const text = code ? `${sentence}\n\n@${host} #${code}` : sentence
  if (septets(text) === null) throw new Error(`the text message ${name} leaves the 7-bit alphabet`)
  return { text, code: code ?? null }
}
