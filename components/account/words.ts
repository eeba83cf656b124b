import { getTranslations } from 'next-intl/server'

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

/** "Firefox 140 on Windows 11" as far as it is known; the user's own name for the device goes first. */
export async function deviceName(device: {
  deviceName?: string | null
  browser: string | null
  os: string | null
}): Promise<string> {
  const t = await getTranslations('account.devices')
  return (
    device.deviceName ??
    t('on', { browser: device.browser ?? t('unknown_browser'), os: device.os ?? t('unknown_os') })
  )
}
