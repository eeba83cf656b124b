import { fingerprintPattern, type IconShape, smartphone, usb } from '../ui/icons'

/** One picture for each kind of factor. */
export const FACTOR_ICONS: Record<'totp' | 'passkey' | 'security_key', IconShape> = {
  totp: smartphone,
  passkey: fingerprintPattern,
  security_key: usb,
}
