/**
 * What one-time codes are for. A new purpose is a row here (and a key in base/keys.ts): how long its
 * code lives, how many tries it has, how it reaches a person, and what is sent instead when nobody
 * may learn whether there is such a person.
 */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import type { KeyName } from '../base/keys'
import { mailbox } from '../base/limits'
import { asker, type Before, send, sendSms } from '../notify'

/** What a message is made of. */
export interface Message {
  to: string
  locale: string
  code: string
  link: string
  lifeSeconds: number
  /** Later than this it is not worth sending. */
  notAfter: Date
  /** Lets the code's life begin when a mail goes out. */
  before?: Before
  caller: Caller
}

export interface Purpose {
  redisKey: KeyName
  /** How it reaches a person; a mail where not said. */
  channel?: 'mail' | 'sms'
  /** Decimal digits. ASVS 6.5.1: at least 20 bits together with the limits; six digits and five tries. */
  digits: number
  lifeSeconds: number
  maxTries: number
  /**
   * Who may ask for its codes: whoever has the key where not said. Anybody: whoever can type the recipient. The key of
   * somebody's address is theirs, that of nobody's is new each time, so what is kept and counted by key would tell the two
   * apart (ENU3) and let strangers into the owner's way. Limits are the recipient's then, and a code is that of the
   * attempt which asked: another one's neither voids it nor wears it out (decision 123).
   */
  askedBy?: 'anybody'
  /** Sends the code, as part of `tx`. */
  tell: (tx: Tx, message: Message) => Promise<void>
  /** Sends what the reader of that mailbox should know when no code may come; never a code. */
  tellOwner: (tx: Tx, message: Omit<Message, 'code' | 'link'>) => Promise<void>
}

export const PURPOSES = {
  email_verification: {
    redisKey: 'emailVerification',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, before, code, link, lifeSeconds, caller }) =>
      send(tx, {
        template: 'verify_email',
        to,
        locale,
        notAfter,
        before,
        props: { code, link, expiresMinutes: Math.round(lifeSeconds / 60), ...asker(caller) },
      }),
    tellOwner: (tx, { to, locale, notAfter, before, caller }) =>
      send(tx, {
        template: 'address_taken',
        to,
        locale,
        notAfter,
        before,
        props: { signInUrl: `${env().url}/signin/start?to=/account`, ...asker(caller) },
      }),
  },
  /** An address that a signed-in person adds to their account. */
  email_addition: {
    redisKey: 'emailVerification',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, before, code, link, lifeSeconds, caller }) =>
      send(tx, {
        template: 'verify_email',
        to,
        locale,
        notAfter,
        before,
        props: { code, link, expiresMinutes: Math.round(lifeSeconds / 60), ...asker(caller) },
      }),
    tellOwner: (tx, { to, locale, notAfter, before, caller }) =>
      send(tx, {
        template: 'address_claimed',
        to,
        locale,
        notAfter,
        before,
        props: { signInUrl: `${env().url}/signin/start?to=/account`, ...asker(caller) },
      }),
  },
  email_sign_in: {
    redisKey: 'emailSignIn',
    askedBy: 'anybody',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, before, code, link, lifeSeconds, caller }) =>
      send(tx, {
        template: 'sign_in_code',
        to,
        locale,
        notAfter,
        before,
        props: { code, link, expiresMinutes: Math.round(lifeSeconds / 60), ...asker(caller) },
      }),
    tellOwner: (tx, { to, locale, notAfter, before, caller }) =>
      send(tx, { template: 'no_account', to, locale, notAfter, before, props: asker(caller) }),
  },
  phone_verification: {
    redisKey: 'phoneVerification',
    channel: 'sms',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, code, lifeSeconds }) =>
      sendSms(tx, {
        template: 'verify_phone',
        to,
        locale,
        notAfter,
        props: { code, minutes: Math.round(lifeSeconds / 60) },
      }),
    tellOwner: (tx, { to, locale, notAfter }) =>
      sendSms(tx, { template: 'number_taken', to, locale, notAfter, props: {} }),
  },
  phone_sign_in: {
    redisKey: 'phoneSignIn',
    channel: 'sms',
    askedBy: 'anybody',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, code, lifeSeconds }) =>
      sendSms(tx, {
        template: 'sign_in_code',
        to,
        locale,
        notAfter,
        props: { code, minutes: Math.round(lifeSeconds / 60) },
      }),
    // A number that is nobody's gets nothing: a message to a stranger would cost the operator, and bother them.
    tellOwner: async () => {},
  },
  /** The second step of a sign-in; only somebody whose first proof was right gets one, at their own address. */
  email_second: {
    redisKey: 'emailSecond',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, before, code, lifeSeconds, caller }) =>
      send(tx, {
        template: 'second_code',
        to,
        locale,
        notAfter,
        before,
        props: { code, expiresMinutes: Math.round(lifeSeconds / 60), ...asker(caller) },
      }),
    tellOwner: async () => {},
  },
  phone_second: {
    redisKey: 'phoneSecond',
    channel: 'sms',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, code, lifeSeconds }) =>
      sendSms(tx, {
        template: 'sign_in_code',
        to,
        locale,
        notAfter,
        props: { code, minutes: Math.round(lifeSeconds / 60) },
      }),
    tellOwner: async () => {},
  },
  /** Shows a person that mail to an address of theirs still arrives; nobody else ever gets one. */
  email_rehearsal: {
    redisKey: 'rehearsal',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, before, code, lifeSeconds, caller }) =>
      send(tx, {
        template: 'rehearsal_code',
        to,
        locale,
        notAfter,
        before,
        props: { code, expiresMinutes: Math.round(lifeSeconds / 60), ...asker(caller) },
      }),
    tellOwner: async () => {},
  },
  phone_rehearsal: {
    redisKey: 'rehearsal',
    channel: 'sms',
    digits: 6,
    lifeSeconds: 600,
    maxTries: 5,
    tell: (tx, { to, locale, notAfter, code, lifeSeconds }) =>
      sendSms(tx, {
        template: 'verify_phone',
        to,
        locale,
        notAfter,
        props: { code, minutes: Math.round(lifeSeconds / 60) },
      }),
    tellOwner: async () => {},
  },
} as const satisfies Record<string, Purpose>

export type PurposeName = keyof typeof PURPOSES

/** Whose code it is, where it goes, and which browser of that account asks. */
export interface Whose {
  purpose: PurposeName
  key: string
  to: string
  /** From `sessions.knownDevice`; null or absent for a stranger's browser. */
  device?: string | null
}

const byAnybody = (name: PurposeName): boolean => {
  const { askedBy }: Purpose = PURPOSES[name]
  return askedBy === 'anybody'
}

/** What limits know a code by: its key, or the mailbox or number it goes to; a browser that the account knows has its own. */
export function subject({ purpose, key, to, device }: Whose): string {
  const whose = byAnybody(purpose) ? mailbox(to) : key
  return device ? `${whose}:${device}` : whose
}

/** What a code is kept by. */
export const keptBy = ({
  purpose,
  key,
  binding,
}: Pick<Whose, 'purpose' | 'key'> & { binding: string }): string => (byAnybody(purpose) ? binding : key)
