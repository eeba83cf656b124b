/**
 * The language of a page (next.config names this file to next-intl): the signed-in person's own, else the
 * one chosen in this browser, else what the browser asks for.
 */
import { headers } from 'next/headers'
import { getRequestConfig } from 'next-intl/server'
import { requests } from '@/lib'
import { type Language, language, type Messages, messages } from '@/lib/texts'
import { summaryOf, whoIs } from './guard'

async function localeOfReader(): Promise<string> {
  try {
    const { caller, session } = await whoIs()
    const user = session && (await summaryOf(session.userId))
    return user?.locale ?? caller.locale
  } catch {
    // The stores are away: the page that says so needs a language all the same.
    return requests.caller(await headers()).locale
  }
}

const forPages = new Map<Language, Messages>()

/** The words of a language as pages show them: no line ends within "E-Mail". Mails and text messages keep the plain hyphen. */
function pageMessages(tag: Language): Messages {
  const known = forPages.get(tag)
  if (known) return known
  const kept = JSON.parse(JSON.stringify(messages(tag)).replaceAll('E-Mail', 'E\u2011Mail')) as Messages
  forPages.set(tag, kept)
  return kept
}

export default getRequestConfig(async ({ locale }) => {
  const tag = language(locale ?? (await localeOfReader()))
  return { locale: tag, messages: pageMessages(tag), timeZone: 'UTC' }
})
