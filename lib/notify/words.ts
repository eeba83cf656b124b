/** The words of mails, and the few things that are written differently from place to place. */
import { createTranslator } from 'use-intl/core'
import { type Language, language, messages } from '../texts'

/** The language a mail is written in: the person's where we have it, else English. */
export const spoken = (locale: string): Language => language(locale)

const make = (tag: Language) =>
  createTranslator({
    locale: tag,
    messages: messages(tag),
    namespace: 'mail',
    timeZone: 'UTC',
    onError: (error) => {
      throw error
    },
  })

export type Words = ReturnType<typeof make>

/** One for each language: it keeps what it has parsed, which costs more than all the rest of a mail. */
const translators = new Map<Language, Words>()

/** Translates keys of mail.json; a missing key or value throws, so that no half mail is sent. */
export function translator(locale: string): Words {
  const tag = spoken(locale)
  const known = translators.get(tag) ?? make(tag)
  translators.set(tag, known)
  return known
}

/** A moment in words, always with its zone, since a mail does not know where it is read. */
export function moment(at: Date, locale: string): string {
  const tag = spoken(locale)
  const format = new Intl.DateTimeFormat(tag === 'en' ? 'en-GB' : tag, {
    dateStyle: 'long',
    timeStyle: 'short',
    timeZone: 'UTC',
  })
  return `${format.format(at)} UTC`
}
