/** A refusal as it travels in an outcome's cookie: what words need of it, and nothing else. */
import { z } from 'zod'
import type { Refusal, RefusalCode } from '@/lib/base/refusals'

/** Refusals that pages outside of a login attempt tell in words. */
const CODES = [
  'invalid_email',
  'rate_limited',
  'busy',
  'password_too_short',
  'password_too_long',
  'password_common',
  'password_context',
  'password_breached',
  'recovery_off',
  'invalid_input',
  'proof_required',
  'flow_foreign_browser',
  'flow_expired',
  'method_off',
  'session_required',
  'account_changed',
  'already_exists',
  'identity_taken',
  'provider_denied',
  'provider_down',
  'provider_failed',
  'provider_not_allowed',
] as const satisfies RefusalCode[]

export const refusedSchema = z.object({
  code: z.enum(CODES),
  field: z.string().max(20).optional(),
  values: z.record(z.string().max(20), z.union([z.number(), z.string().max(100)])).optional(),
  retryAfterSeconds: z.number().optional(),
})

/** A refusal for `refusedSchema`; one that has no place there is told as "something can't be used". */
export function toRefused({
  code,
  field,
  values,
  retryAfterSeconds,
}: Refusal): z.infer<typeof refusedSchema> {
  return {
    code: CODES.find((known) => known === code) ?? 'invalid_input',
    field,
    values: Object.fromEntries(
      Object.entries(values ?? {}).map(([name, value]) => [
        name,
        typeof value === 'string' ? value.slice(0, 100) : value,
      ]),
    ),
    retryAfterSeconds,
  }
}
