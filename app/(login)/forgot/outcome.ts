/** What asking for a link did; the same for every address. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'
import { refusedSchema } from '@/app/_lib/refused'

const email = z.string().max(254)

export const forgotOutcome = outcomesOf(
  '/forgot',
  z.union([z.object({ sentTo: email }), z.object({ refused: refusedSchema, email })]),
)
