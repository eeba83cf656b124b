/** What a change of a number just did. */
import { z } from 'zod'
import type { RefusalCode } from '@/lib/base/refusals'
import { outcomesOf } from '../../../_lib/outcome'

/** Refusals that are told on the page that asks for the code. */
const REFUSED = [
  'rate_limited',
  'sms_spent',
  'sms_off',
  'phone_country',
  'not_found',
] as const satisfies RefusalCode[]

const number = z.string().max(40)

const schema = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['verified', 'primary', 'removed']), number }),
  z.object({
    kind: z.literal('refused'),
    code: z.enum(REFUSED),
    retryAfterSeconds: z.number().optional(),
  }),
])

export const { keep: keepOutcome, last: lastOutcome } = outcomesOf('/account/phones', schema)

/** A refusal as an outcome; one without words of its own there is told as "no longer here". */
export function refusedOutcome(refusal: { code: RefusalCode; retryAfterSeconds?: number }) {
  const code = REFUSED.find((known) => known === refusal.code) ?? 'not_found'
  return { kind: 'refused' as const, code, retryAfterSeconds: refusal.retryAfterSeconds }
}
