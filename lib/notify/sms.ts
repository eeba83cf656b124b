/**
 * Text messages: owed like mails, sent by the driver the operator chose, or kept in the development
 * mailbox. While a driver takes nothing the house knows it, says so to the operator once, and pages
 * offer another way.
 */
import { handle, owe, Undeliverable } from '../audit'
import { now } from '../base/clock'
import type { Tx } from '../base/db'
import { env, type SmsSettings } from '../base/env'
import { log } from '../base/log'
import { sha256 } from '../base/secrets'
import type { SmsDriver, SmsMessage } from './sms-drivers/call'
import { twilio, twilioVerify } from './sms-drivers/twilio'
import { vonage } from './sms-drivers/vonage'
import { webhook } from './sms-drivers/webhook'
import { enabled, maskedNumber, reaches } from './sms-reach'
import { composeSms, type SmsName, type SmsProps } from './sms-text'
import { keep, noteTrouble, readTrouble, troubleOver } from './store'
import { spoken } from './words'

export { block, countries, enabled, inMailbox, maskedNumber, reaches, type SmsCountry } from './sms-reach'

export interface SendSmsInput<Name extends SmsName> {
  template: Name
  /** E.164, from users.normalizePhone. */
  to: string
  /** BCP 47; English where there are no words in it. */
  locale: string
  props: SmsProps[Name]
  userId?: string | null
  /** Names the event: the same template to the same number with the same key is sent once. */
  dedupeKey?: string
  /** Worthless after this time (an expired code); default 24 hours. */
  notAfter?: Date
}

interface Payload {
  template: SmsName
  to: string
  locale: string
  props: unknown
}

/**
 * Owes a text message, as part of `tx` (null: by itself). It is sent after the commit, in the background.
 * @throws Error for a number that messages are not sent to, a link to elsewhere or missing props (bugs of the caller)
 */
export async function sendSms<Name extends SmsName>(tx: Tx | null, sms: SendSmsInput<Name>): Promise<void> {
  const { template, to, locale, props } = sms
  if (!reaches(to)) throw new Error('no text messages are sent to this number')
  composeSms(template, locale, props)
  const payload: Payload = { template, to, locale, props }
  await owe(tx, {
    kind: 'sms',
    target: `${template} to ${maskedNumber(to)}`,
    payload,
    ...(sms.userId ? { userId: sms.userId } : {}),
    ...(sms.dedupeKey ? { dedupeKey: `${sha256(to)}:${sms.dedupeKey}` } : {}),
    ...(sms.notAfter ? { notAfter: sms.notAfter } : {}),
  })
}

/** Tells the provider, in the background, that a code it carried came back; for those that ask for it. */
export async function answered(to: string): Promise<void> {
  if (env().sms?.driver !== 'twilio_verify') return
  await owe(null, {
    kind: 'sms_feedback',
    target: `code to ${maskedNumber(to)} came back`,
    payload: { to },
    notAfter: new Date(now().getTime() + 600_000),
  })
}

/** True while the driver takes no messages: pages say so and offer another way. */
export const troubled = async (): Promise<boolean> => (await readTrouble()) !== null

export interface SmsCheck {
  ok: boolean
  /** The driver's name, `mailbox` or `none`. */
  via: string
  /** What was found. */
  message: string
  hint?: string
}

/** What the operator should know about text messages; sends nothing. */
export async function check(): Promise<SmsCheck> {
  const settings = env().sms
  if (!settings) {
    return enabled()
      ? { ok: true, via: 'mailbox', message: `development mailbox at ${env().url}/dev/mailbox` }
      : { ok: true, via: 'none', message: 'off: phones are not offered (SMS_DRIVER is not set)' }
  }
  const via = settings.driver
  const trouble = await readTrouble()
  if (!trouble) {
    const to = settings.countries?.join(', ') ?? 'all countries'
    return { ok: true, via, message: `${via} to ${to}, no failure in the last minutes` }
  }
  const hint = 'Look at the provider’s status and credit, and at its variables; messages are tried again.'
  return {
    ok: false,
    via,
    message: `${via} takes no messages since ${trouble.since}: ${trouble.error}`,
    hint,
  }
}

function driverOf(settings: SmsSettings): SmsDriver {
  switch (settings.driver) {
    case 'twilio':
      return twilio(settings)
    case 'twilio_verify':
      return twilioVerify(settings)
    case 'vonage':
      return vonage(settings)
    case 'webhook':
      return webhook(settings)
  }
}

async function transmit(message: SmsMessage, signal: AbortSignal): Promise<void> {
  const settings = env().sms
  if (settings) return await driverOf(settings).send(message, signal)
  const { id, to, text } = message
  const [subject = ''] = text.split('\n')
  await keep({ id, at: now().toISOString(), to, subject, text, html: '' })
}

handle('sms', async (delivery, payload, signal) => {
  const { template, to, locale, props } = payload as Payload
  // The operator may have taken the country off the list since.
  if (!reaches(to)) throw new Undeliverable('no text messages are sent to this country')
  const { text, code } = composeSms(template, locale, props as SmsProps[typeof template])
  const { id, notAfter } = delivery
  try {
    await transmit({ id, to, text, code, locale: spoken(locale), template, notAfter }, signal)
  } catch (error) {
    if (!(error instanceof Undeliverable)) await report(error as Error)
    throw error
  }
  if (await troubleOver()) log().info({ driver: env().sms?.driver }, 'text messages get through again')
})

handle('sms_feedback', async (_delivery, payload, signal) => {
  const settings = env().sms
  if (settings) await driverOf(settings).answered?.((payload as { to: string }).to, signal)
})

/** The first failure is an error in the log; the ones after it are the queue's warnings. */
async function report(error: Error): Promise<void> {
  const first = await noteTrouble({ since: now().toISOString(), error: error.message })
  if (first)
    log().error({ driver: env().sms?.driver, err: error.message }, 'the SMS driver takes no messages')
}
