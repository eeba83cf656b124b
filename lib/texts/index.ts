/**
 * texts: every word a person may read, by language and namespace, in ICU message format.
 * Owns lib/texts/<language>/*.json. Stateless; may be imported by notify, app and components.
 * Invariant: each language has exactly the keys of English (texts.test.ts).
 */
import deAccount from './de/account.json'
import deActivity from './de/activity.json'
import deAdmin from './de/admin.json'
import deClinic from './de/clinic.json'
import deCrash from './de/crash.json'
import deFactors from './de/factors.json'
import deHost from './de/host.json'
import deLogin from './de/login.json'
import deMail from './de/mail.json'
import deReasons from './de/reasons.json'
import deRecovery from './de/recovery.json'
import deRefusals from './de/refusals.json'
import deSecurity from './de/security.json'
import deSms from './de/sms.json'
import deUi from './de/ui.json'
import account from './en/account.json'
import activity from './en/activity.json'
import admin from './en/admin.json'
import clinic from './en/clinic.json'
import crash from './en/crash.json'
import factors from './en/factors.json'
import host from './en/host.json'
import login from './en/login.json'
import mail from './en/mail.json'
import reasons from './en/reasons.json'
import recovery from './en/recovery.json'
import refusals from './en/refusals.json'
import security from './en/security.json'
import sms from './en/sms.json'
import ui from './en/ui.json'

const en = {
  account,
  activity,
  admin,
  clinic,
  crash,
  factors,
  host,
  login,
  mail,
  reasons,
  recovery,
  refusals,
  security,
  sms,
  ui,
}

export type Messages = typeof en

const de = {
  account: deAccount,
  activity: deActivity,
  admin: deAdmin,
  clinic: deClinic,
  crash: deCrash,
  factors: deFactors,
  host: deHost,
  login: deLogin,
  mail: deMail,
  reasons: deReasons,
  recovery: deRecovery,
  refusals: deRefusals,
  security: deSecurity,
  sms: deSms,
  ui: deUi,
}

// That German has every key is texts.test.ts's to say, with the keys' names.
const CATALOGUES = { en, de: de as Messages } as const satisfies Record<string, Messages>

export type Language = keyof typeof CATALOGUES

/** The languages the house speaks; the first is the fallback. BCP 47. */
export const LANGUAGES = Object.keys(CATALOGUES) as [Language, ...Language[]]

/** True for a language that has a catalogue. */
export const isLanguage = (tag: string): tag is Language => Object.hasOwn(CATALOGUES, tag)

/** The catalogue for a BCP 47 tag: the language itself, its base language (`de-AT` → `de`), else English. */
export function language(tag: string): Language {
  const base = tag.split('-')[0] ?? ''
  return isLanguage(tag) ? tag : isLanguage(base) ? base : 'en'
}

/** All messages of the best language for a BCP 47 tag. */
export const messages = (tag: string): Messages => CATALOGUES[language(tag)]
