/** What a form of the devices pages just did, besides ending sessions. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'

const outcomes = outcomesOf(
  '/account/devices',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.enum(['gone', 'renamed']) }),
    z.object({ kind: z.literal('forgotten'), name: z.string().max(200) }),
  ]),
)

export const { keep: keepOutcome, last: lastOutcome } = outcomes
