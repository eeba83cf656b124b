/** What every page's frame needs from the request. */
import { cookies, headers } from 'next/headers'
import { requests } from '@/lib'
import type { Language } from '@/lib/texts'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

export const THEME_COOKIE = 'gatehouse.theme'

export const isTheme = (value: unknown): value is Theme => THEMES.some((theme) => theme === value)

/** The look chosen in this browser; `system` unless said otherwise. */
export async function chosenTheme(): Promise<Theme> {
  const value = (await cookies()).get(THEME_COOKIE)?.value
  return isTheme(value) ? value : 'system'
}

/** The nonce that the answer's Content-Security-Policy allows, for the one inline style sheet. */
export async function cspNonce(): Promise<string | undefined> {
  const policy = (await headers()).get('content-security-policy')
  return /'nonce-([^']+)'/.exec(policy ?? '')?.[1]
}

const YEAR_SECONDS = 31_536_000

/**
 * The Set-Cookie line for the language that an app asks for (`ui_locales`), until the browser is closed or another app asks; it
 * gives way to what was chosen here.
 */
export function appLocaleCookie(asked: readonly string[]): string {
  const { https } = requests.settings()
  const locale = requests.firstSpoken(asked)
  const value = locale ? `${locale}; Path=/` : '; Path=/; Max-Age=0'
  return `${requests.APP_LOCALE_COOKIE}=${value}; HttpOnly; SameSite=Lax${https ? '; Secure' : ''}`
}

/** The Set-Cookie line that keeps a language in this browser, for the pages before a sign-in. */
export function localeCookie(locale: Language): string {
  const secure = requests.settings().https ? '; Secure' : ''
  return `${requests.LOCALE_COOKIE}=${locale}; Path=/; Max-Age=${YEAR_SECONDS}; HttpOnly; SameSite=Lax${secure}`
}
