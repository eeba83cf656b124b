/** The table of mails, and how one becomes HTML and text. */
import { renderToStaticMarkup } from 'react-dom/server'
import { env } from '../../base/env'
import { headerLine } from '../safe'
import { spoken, translator } from '../words'
import { type AddressClaimedProps, addressClaimed } from './address-claimed'
import { type AddressTakenProps, addressTaken } from './address-taken'
import { type BareCodeProps, rehearsalCode, secondCode } from './bare-code'
import { type CodeMailProps, signInCode, verifyEmail } from './code-mail'
import {
  type ContactInvitationProps,
  contactInvitation,
  type PasswordResetProps,
  passwordReset,
  type RecoveryStartedProps,
  type RecoveryVouchProps,
  recoverySoon,
  recoveryStarted,
  recoveryVouch,
} from './link-mail'
import { type NoAccountProps, noAccount, resetRefused } from './no-account'
import { type Draft, Frame, type Look } from './parts'
import { type SecurityNoticeProps, securityNotice } from './security-notice'
import { type WelcomeProps, welcome } from './welcome'

/** What each mail needs to be told. */
export interface MailProps {
  verify_email: CodeMailProps
  address_taken: AddressTakenProps
  welcome: WelcomeProps
  address_claimed: AddressClaimedProps
  security_notice: SecurityNoticeProps
  sign_in_code: CodeMailProps
  no_account: NoAccountProps
  password_reset: PasswordResetProps
  reset_refused: NoAccountProps
  recovery_started: RecoveryStartedProps
  recovery_soon: RecoveryStartedProps
  recovery_vouch: RecoveryVouchProps
  contact_invitation: ContactInvitationProps
  rehearsal_code: BareCodeProps
  second_code: BareCodeProps
}

export type MailName = keyof MailProps

const TEMPLATES: { [Name in MailName]: (props: MailProps[Name], look: Look) => Draft } = {
  verify_email: verifyEmail,
  address_taken: addressTaken,
  welcome,
  address_claimed: addressClaimed,
  security_notice: securityNotice,
  sign_in_code: signInCode,
  no_account: noAccount,
  password_reset: passwordReset,
  reset_refused: resetRefused,
  recovery_started: recoveryStarted,
  recovery_soon: recoverySoon,
  recovery_vouch: recoveryVouch,
  contact_invitation: contactInvitation,
  rehearsal_code: rehearsalCode,
  second_code: secondCode,
}

export interface Mail {
  subject: string
  html: string
  text: string
}

/** Black or white, whichever has the larger contrast with a `#rrggbb` colour (WCAG relative luminance). */
function readableOn(color: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000000' : '#ffffff'
}

function look(locale: string): Look {
  const { productName, brandColor, logoUrl, url, https } = env()
  const absolute = logoUrl?.startsWith('/') ? `${url}${logoUrl}` : logoUrl
  return {
    locale: spoken(locale),
    words: translator(locale),
    product: headerLine(productName),
    url,
    brand: brandColor,
    onBrand: readableOn(brandColor),
    // Mail programs fetch pictures from elsewhere: one on a loopback origin would only be a broken box.
    logoUrl: absolute && (https || !logoUrl?.startsWith('/')) ? absolute : null,
  }
}

/**
 * Finds out whether a mail can be written, without writing it.
 * @throws Error as `render` does
 */
export function check<Name extends MailName>(name: Name, locale: string, props: MailProps[Name]): void {
  TEMPLATES[name](props, look(locale))
}

/**
 * Writes a mail.
 * @throws Error when a link leads elsewhere or a word is missing (bugs)
 */
export function render<Name extends MailName>(name: Name, locale: string, props: MailProps[Name]): Mail {
  const how = look(locale)
  const draft = TEMPLATES[name](props, how)
  const footer = how.words('common.footer', { product: how.product, host: new URL(how.url).host })
  return {
    subject: headerLine(draft.subject),
    html: `<!DOCTYPE html>${renderToStaticMarkup(<Frame draft={draft} look={how} />)}`,
    text: `${[...draft.text, '-- ', footer].join('\n\n').replace('-- \n\n', '-- \n')}\n`,
  }
}
