/** What a form of the administration just did. */
import { z } from 'zod'
import { outcomesOf } from '../../_lib/outcome'

const outcomes = outcomesOf(
  '/admin/apps',
  z.object({ kind: z.enum(['saved', 'claims', 'enabled', 'disabled', 'removed']), name: z.string().max(80) }),
)

export const { keep: keepOutcome, last: lastOutcome } = outcomes
