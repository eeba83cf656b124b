/** What a form of the connected apps just did, besides removing one. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'

const outcomes = outcomesOf('/account/apps', z.object({ kind: z.literal('gone') }))

export const { keep: keepOutcome, last: lastOutcome } = outcomes
