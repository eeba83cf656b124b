/** What a change of the password did. */
import { z } from 'zod'
import { outcomesOf } from '../../../_lib/outcome'

export const securityOutcome = outcomesOf('/account/security', z.object({ ended: z.int().min(0) }))
