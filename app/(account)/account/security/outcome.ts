/** What a change of the password or of a factor did. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'

const name = z.string().max(100)

export const securityOutcome = outcomesOf(
  '/account/security',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('password'), ended: z.int().min(0) }),
    z.object({ kind: z.enum(['added', 'renamed', 'removed', 'asked_again']), name }),
    z.object({ kind: z.literal('gone') }),
  ]),
)
