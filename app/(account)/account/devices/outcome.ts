/** What a sign-out of other sessions just did. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'

const outcomes = outcomesOf(
  '/account/devices',
  z.object({ kind: z.enum(['one', 'others']), count: z.int().min(0) }),
)

export const { keep: keepOutcome, last: lastOutcome } = outcomes
