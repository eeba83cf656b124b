/** What a form of the access tokens just did. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'

export const tokensOutcome = outcomesOf(
  '/account/tokens',
  z.object({ kind: z.enum(['ended', 'gone']), name: z.string().max(100) }),
)
