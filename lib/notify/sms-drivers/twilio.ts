/**
 * Twilio, two ways. Messages (api.twilio.com/2010-04-01): our text, our sender. Verify
 * (verify.twilio.com/v2): Twilio's text and routes around our own code (CustomCode), so that tries,
 * expiry and binding stay in one place; it wants to know which codes came back.
 */
import { Undeliverable } from '../../audit'
import { nowMs } from '../../base/clock'
import type { SmsSettings } from '../../base/env'
import { type Answer, basic, call, refused, type SmsDriver, type SmsMessage, taken } from './call'

/**
 * Errors about the number itself (twilio.com/docs/api/errors): no number, no route, region not
 * permitted, opted out, not mobile; Verify: bad parameter, too many sends, landline, blocked by fraud guard.
 */
const FINAL = new Set([
  21211, 21214, 21217, 21265, 21408, 21610, 21612, 21614, 60200, 60203, 60205, 60220, 60410, 60605,
])

type Settings<Driver> = Extract<SmsSettings, { driver: Driver }>

function judge(answer: Answer): void {
  if (taken(answer)) return
  const code = typeof answer.body?.code === 'number' ? answer.body.code : null
  refused('Twilio', answer, code === null ? null : String(code), code !== null && FINAL.has(code))
}

const post = (
  url: string,
  { accountSid, authToken }: { accountSid: string; authToken: string },
  form: Record<string, string>,
  signal: AbortSignal,
): Promise<Answer> =>
  call(
    url,
    {
      headers: {
        Authorization: basic(accountSid, authToken),
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams(form).toString(),
    },
    signal,
  )

/** Twilio keeps a message at most ten hours; a code no longer than it is good for. */
const validity = (notAfter: Date | null): number =>
  Math.max(
    5,
    Math.min(36_000, Math.ceil(((notAfter?.getTime() ?? Number.POSITIVE_INFINITY) - nowMs()) / 1000)),
  )

async function sendText(
  base: string,
  settings: { accountSid: string; authToken: string; from: string },
  message: SmsMessage,
  signal: AbortSignal,
): Promise<void> {
  const { from, accountSid } = settings
  const answer = await post(
    `${base}/2010-04-01/Accounts/${accountSid}/Messages.json`,
    settings,
    {
      To: message.to,
      ...(from.startsWith('MG') ? { MessagingServiceSid: from } : { From: from }),
      Body: message.text,
      ValidityPeriod: String(validity(message.notAfter)),
    },
    signal,
  )
  judge(answer)
}

export const twilio = (settings: Settings<'twilio'>): SmsDriver => ({
  send: (message, signal) => sendText(settings.apiUrl, settings, message, signal),
})

export function twilioVerify(settings: Settings<'twilio_verify'>): SmsDriver {
  const verifications = `${settings.apiUrl}/v2/Services/${settings.serviceSid}/Verifications`
  const settle = async (to: string, status: 'approved' | 'canceled', signal: AbortSignal) => {
    const url = `${verifications}/${encodeURIComponent(to)}`
    const answer = await post(url, settings, { Status: status }, signal)
    // Nothing is pending for this number: over, or never begun.
    if (answer.status !== 404) judge(answer)
  }
  return {
    async send(message, signal) {
      if (message.code === null) {
        const { from } = settings
        if (!from) throw new Undeliverable('Twilio Verify carries codes only: set SMS_FROM for notices')
        return await sendText(settings.messagesUrl, { ...settings, from }, message, signal)
      }
      // While one is pending Twilio would send that one's code again, and the newest counts here.
      await settle(message.to, 'canceled', signal)
      const form = { To: message.to, Channel: 'sms', CustomCode: message.code, Locale: message.locale }
      judge(await post(verifications, settings, form, signal))
    },
    answered: (to, signal) => settle(to, 'approved', signal),
  }
}
