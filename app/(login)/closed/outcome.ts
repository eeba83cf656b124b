/** What closing an account just did. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'

export const closedOutcome = outcomesOf(
  '/closed',
  z.object({ eraseAt: z.number().int(), canBeKept: z.boolean() }),
)
