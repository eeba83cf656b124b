import { getLocale, getTranslations } from 'next-intl/server'

export const METHODS = [
  'password',
  'passkey',
  'magic_link',
  'email_code',
  'sms_code',
  'oauth',
  'sign_up',
  'recovery',
  'guest',
] as const

/** A way of signing in, in words. */
export async function methodName(method: string): Promise<string> {
  const t = await getTranslations('account.method')
  const known = METHODS.find((name) => name === method)
  return known ? t(known) : t('other', { name: method })
}

/** "Firefox 140 on Windows 11" as far as it is known, or on a phone by its name; the user's own name for it goes first. */
export async function deviceName(device: {
  deviceName?: string | null
  browser: string | null
  os: string | null
  model?: string | null
}): Promise<string> {
  if (device.deviceName) return device.deviceName
  const t = await getTranslations('account.devices')
  return t('on', {
    browser: device.browser ?? t('unknown_browser'),
    os: device.model ?? device.os ?? t('unknown_os'),
  })
}

const FACTORS = [
  'password',
  'passkey',
  'security_key',
  'totp',
  'backup_code',
  'email_code',
  'sms_code',
  'magic_link',
  'address',
] as const

/** "Password and authenticator app": with what somebody signed in, in the order it was proven. */
export async function provenWith(method: string, methods: readonly string[]): Promise<string> {
  const [locale, t] = await Promise.all([getLocale(), getTranslations('account.proven')])
  const names: string[] = []
  for (const one of methods.length ? methods : [method]) {
    const known = FACTORS.find((name) => name === one)
    const name = known ? t(known) : await methodName(one)
    if (!names.includes(name)) names.push(name)
  }
  return new Intl.ListFormat(locale, { type: 'conjunction' }).format(names)
}
