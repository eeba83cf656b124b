/** What a rehearsal or a change of the trusted contacts did, or why it did not. */
import { z } from 'zod'
import type { RefusalCode } from '@/lib/base/refusals'
import { outcomesOf } from '../../../../_lib/outcome'

const REFUSED = [
  'rate_limited',
  'not_found',
  'sms_off',
  'sms_spent',
  'phone_country',
] as const satisfies RefusalCode[]

export const recoveryOutcome = outcomesOf(
  '/account/security/recovery',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.enum(['arrived', 'withdrawn', 'removed']) }),
    z.object({ kind: z.literal('invited'), address: z.string().max(254) }),
    z.object({
      kind: z.literal('refused'),
      code: z.enum(REFUSED),
      retryAfterSeconds: z.number().optional(),
    }),
  ]),
)

/** A refusal as an outcome; one without words of its own there is told as "no longer here". */
export function refusedOutcome(refusal: { code: RefusalCode; retryAfterSeconds?: number }) {
  const code = REFUSED.find((known) => known === refusal.code) ?? 'not_found'
  return { kind: 'refused' as const, code, retryAfterSeconds: refusal.retryAfterSeconds }
}
