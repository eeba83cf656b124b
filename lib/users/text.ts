/** The shape of everything a person may write about themselves. */
import { z } from 'zod'

/** Longest name, in code points. */
export const MAX_NAME = 80

/**
 * Control characters, line and paragraph separators, bidirectional controls, invisible blanks, tags,
 * lone surrogates and private-use characters. Joiners (U+200C, U+200D) stay: Persian and Indic names
 * need them.
 */
const UNWANTED =
  /[\p{Cc}\p{Cs}\p{Co}\u00ad\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu

/** One line of plain text: NFC, unwanted characters gone, runs of white space one blank. */
export const plainLine = (text: string): string =>
  text
    .replace(/[\p{Zs}\t\r\n\u2028\u2029]+/gu, ' ')
    .replace(UNWANTED, '')
    .normalize('NFC')
    .replace(/ +/g, ' ')
    .trim()

/** A name of at most 80 code points; an empty one is null. */
export const nameSchema = z
  .string()
  .max(4000)
  .transform((text) => plainLine(text) || null)
  .refine((text) => text === null || [...text].length <= MAX_NAME)
  .nullable()

/** A BCP 47 language tag, in its canonical form. */
export const localeSchema = z
  .string()
  .min(2)
  .max(35)
  .transform((tag, ctx) => {
    try {
      return Intl.getCanonicalLocales(tag)[0] ?? z.NEVER
    } catch {
      ctx.addIssue({ code: 'custom', message: 'not a language tag' })
      return z.NEVER
    }
  })

/** An IANA zone name such as Europe/Berlin, in its usual capitals; offsets (+02:00) are no zones. */
export const timezoneSchema = z
  .string()
  .max(64)
  .regex(/^[A-Za-z][A-Za-z0-9_+/-]*$/)
  .transform((zone, ctx) => {
    try {
      const canonical = new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone
      return canonical.toLowerCase() === zone.toLowerCase() ? canonical : zone
    } catch {
      ctx.addIssue({ code: 'custom', message: 'not a time zone' })
      return z.NEVER
    }
  })
  .nullable()
