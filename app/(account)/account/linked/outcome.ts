/** What linking or unlinking did. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'
import { refusedSchema } from '../../../_lib/refused'

export const linkedOutcome = outcomesOf(
  '/account/linked',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.enum(['linked', 'unlinked']), name: z.string().max(400) }),
    refusedSchema.extend({ kind: z.literal('refused') }),
  ]),
  { fromElsewhere: true },
)
