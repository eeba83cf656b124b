/** What a step of a recovery did, or why it did not. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'
import { refusedSchema } from '@/app/_lib/refused'

const email = z.string().max(254)

export const recoverOutcome = outcomesOf(
  '/recover',
  z.union([
    z.object({ finished: email }),
    z.object({ stopped: z.literal(true) }),
    z.object({ refused: refusedSchema, email: email.optional() }),
  ]),
)
