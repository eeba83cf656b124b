/**
 * Room: notify.
 * Owns: mails and text messages (templates, words, the ways out) and the development mailbox.
 * Hands off: when and how often to try, to audit's deliveries.
 * Invariants: a message is owed in the transaction of the change and never sent in a request; it goes
 *   to one plain mailbox, or one mobile number of a country the operator pays for; it links to this
 *   portal only; what strangers wrote is inert in it.
 */
import 'server-only'
import { handle, owe } from '../audit'
import type { Tx } from '../base/db'
import { sha256 } from '../base/secrets'
import { masked, mailbox as plainMailbox } from './safe'
import * as smsOf from './sms'
import { check, type MailName, type MailProps, render } from './templates'
import { transmit } from './transport'

export { asker } from './asker'
export type { MailboxMessage } from './mailbox'
export * as mailbox from './mailbox'
export { type SendSmsInput, sendSms } from './sms'
export type { SmsName, SmsProps } from './sms-text'
export type { MailName, MailProps } from './templates'
export type { NoticeReason, SecurityNewsName } from './templates/security-notice'
export { assertTransport, checkTransport, closeTransport, type TransportCheck } from './transport'

/** Text messages: enabled, inMailbox, countries, reaches, block, troubled, check, answered. */
export const sms = {
  enabled: smsOf.enabled,
  inMailbox: smsOf.inMailbox,
  countries: smsOf.countries,
  reaches: smsOf.reaches,
  block: smsOf.block,
  masked: smsOf.maskedNumber,
  troubled: smsOf.troubled,
  check: smsOf.check,
  answered: smsOf.answered,
}

export interface SendInput<Name extends MailName> {
  template: Name
  /** One plain, normalised address. */
  to: string
  /** BCP 47; English where there are no words in it. */
  locale: string
  props: MailProps[Name]
  userId?: string | null
  /** Names the event: the same template to the same address with the same key is sent once. */
  dedupeKey?: string
  /** Worthless after this time (an expired code); default 24 hours. */
  notAfter?: Date
  /** What is done right before each try to send it; see `beforeSending`. */
  before?: Before | undefined
}

/** Something to be done before a mail goes out: by whom, and with what (JSON). */
export interface Before {
  name: string
  data: unknown
}

interface MailPayload {
  template: MailName
  to: string
  locale: string
  props: unknown
  before?: Before | undefined
}

const preparations = new Map<string, (data: unknown) => Promise<void>>()

/**
 * Names what other rooms do right before each try to send a mail that asks for it, such as letting the life of its
 * code begin. What it throws counts as a failed try: nothing was sent.
 */
export function beforeSending(name: string, fn: (data: unknown) => Promise<void>): void {
  preparations.set(name, fn)
}

/**
 * Owes a mail, as part of `tx` (null: by itself). It is sent after the commit, in the background.
 * @throws Error for an address that is not one plain mailbox, a link to elsewhere or missing props (bugs of the caller)
 */
export async function send<Name extends MailName>(tx: Tx | null, mail: SendInput<Name>): Promise<void> {
  const to = plainMailbox(mail.to)
  check(mail.template, mail.locale, mail.props)
  const payload: MailPayload = {
    template: mail.template,
    to,
    locale: mail.locale,
    props: mail.props,
    before: mail.before,
  }
  await owe(tx, {
    kind: 'mail',
    target: `${mail.template} to ${masked(to)}`,
    payload,
    ...(mail.userId ? { userId: mail.userId } : {}),
    ...(mail.dedupeKey ? { dedupeKey: `${sha256(to)}:${mail.dedupeKey}` } : {}),
    ...(mail.notAfter ? { notAfter: mail.notAfter } : {}),
  })
}

handle('mail', async (delivery, payload) => {
  const { template, to, locale, props, before } = payload as MailPayload
  if (before) await preparations.get(before.name)?.(before.data)
  await transmit(delivery.id, to, render(template, locale, props as MailProps[typeof template]))
})
