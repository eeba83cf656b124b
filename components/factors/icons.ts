/** One drawing for each kind of proof, the same on every page. */
import {
  fingerprintPattern,
  type IconShape,
  listChecks,
  lockKeyhole,
  mail,
  phone,
  smartphone,
  usb,
} from '../ui/icons'

export const FACTOR_ICONS = {
  totp: smartphone,
  passkey: fingerprintPattern,
  security_key: usb,
  backup_code: listChecks,
  email_code: mail,
  sms_code: phone,
  password: lockKeyhole,
} as const satisfies Record<string, IconShape>
