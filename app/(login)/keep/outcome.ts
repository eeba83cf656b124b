/** What keeping a closed account just did. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'

export const keepOutcome = outcomesOf(
  '/keep',
  z.union([z.object({ kept: z.literal(true) }), z.object({ refused: z.literal('email_taken') })]),
)
