/** What accepting, vouching or stepping down did. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'

export const vouchOutcome = outcomesOf(
  '/account/vouch',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('accepted'), name: z.string().max(254) }),
    z.object({ kind: z.literal('left') }),
  ]),
)
