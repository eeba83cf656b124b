/**
 * Any provider, through a small program of the operator's: one signed POST a message. The signature is
 * HMAC-SHA-256 over `timestamp.body`, so neither can be changed or used again later (docs/operations.md
 * says how to check it).
 */
import { createHmac } from 'node:crypto'
import { nowSeconds } from '../../base/clock'
import type { SmsSettings } from '../../base/env'
import { call, refused, type SmsDriver, taken } from './call'

/** Statuses that say "this message, never"; any other may pass later. */
const FINAL = new Set([400, 410, 422])

/** `v1=<hex>` for each secret, so that secrets can be rotated. */
export const signature = (secrets: readonly string[], timestamp: number, body: string): string =>
  secrets
    .map((secret) => `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`)
    .join(', ')

export const webhook = (settings: Extract<SmsSettings, { driver: 'webhook' }>): SmsDriver => ({
  async send({ id, to, text, code, locale, template, notAfter }, signal) {
    const timestamp = nowSeconds()
    const body = JSON.stringify({
      id,
      type: 'sms',
      template,
      to,
      from: settings.from,
      text,
      code,
      locale,
      expires_at: notAfter?.toISOString() ?? null,
    })
    const answer = await call(
      settings.apiUrl,
      {
        headers: {
          'Content-Type': 'application/json',
          'User-Agent': 'Gatehouse',
          'Gatehouse-Delivery': id,
          'Gatehouse-Timestamp': String(timestamp),
          'Gatehouse-Signature': signature(settings.secrets, timestamp, body),
        },
        body,
      },
      signal,
    )
    if (!taken(answer)) refused('the webhook', answer, null, FINAL.has(answer.status))
  },
})
