/** Vonage Messages API (api.nexmo.com/v1/messages), channel SMS. */
import { nowMs } from '../../base/clock'
import type { SmsSettings } from '../../base/env'
import { basic, call, refused, type SmsDriver, taken } from './call'

/** developer.vonage.com/api-errors/messages: unroutable, barred, no mobile number, not in the allowed list. */
const FINAL = new Set(['1040', '1050', '1210', '1240'])

/** Vonage asks for half an hour at least; the text says how long the code is good for. */
const MIN_TTL_SECONDS = 1800

export const vonage = (settings: Extract<SmsSettings, { driver: 'vonage' }>): SmsDriver => ({
  async send({ id, to, text, notAfter }, signal) {
    const left = notAfter ? Math.ceil((notAfter.getTime() - nowMs()) / 1000) : null
    const answer = await call(
      `${settings.apiUrl}/v1/messages`,
      {
        headers: {
          Authorization: basic(settings.apiKey, settings.apiSecret),
          'Content-Type': 'application/json',
          Accept: 'application/json',
        },
        body: JSON.stringify({
          channel: 'sms',
          message_type: 'text',
          // Both without the plus.
          to: to.slice(1),
          from: settings.from.replace(/^\+/, ''),
          text,
          sms: { encoding_type: 'text' },
          client_ref: id,
          ...(left !== null && { ttl: Math.max(MIN_TTL_SECONDS, left) }),
        }),
      },
      signal,
    )
    if (taken(answer)) return
    // RFC 9457: the problem's type ends in "#1240".
    const type = typeof answer.body?.type === 'string' ? answer.body.type : ''
    const code = /#(\d{3,5})$/.exec(type)?.[1] ?? null
    refused('Vonage', answer, code, code !== null && FINAL.has(code))
  },
})
