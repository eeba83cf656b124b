/** What taking a change back just did. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'

export const undoOutcome = outcomesOf(
  '/undo',
  z.union([z.object({ address: z.string().max(254) }), z.object({ refused: z.literal('email_taken') })]),
)
