/**
 * The language of a page (next.config names this file to next-intl): the signed-in person's own, else the
 * one chosen in this browser, else what the browser asks for.
 */
import { headers } from 'next/headers'
import { getRequestConfig } from 'next-intl/server'
import { requests } from '@/lib'
import { language, messages } from '@/lib/texts'
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

export default getRequestConfig(async ({ locale }) => {
  const tag = locale ?? (await localeOfReader())
  return { locale: language(tag), messages: messages(tag), timeZone: 'UTC' }
})
