/** That a new password was set, or why it was not. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'
import { refusedSchema } from '@/app/_lib/refused'

export const resetOutcome = outcomesOf(
  '/reset',
  z.union([z.object({ done: z.literal(true) }), z.object({ refused: refusedSchema })]),
)
