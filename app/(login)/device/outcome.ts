/** Why a typed code was not taken. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'

export const deviceOutcome = outcomesOf(
  '/device',
  z.object({ code: z.enum(['device_code_wrong', 'rate_limited']), retryAfterSeconds: z.number().optional() }),
)
