/** That an account was just locked. */
import { z } from 'zod'
import { outcomesOf } from '@/app/_lib/outcome'

export const lockdownOutcome = outcomesOf('/lockdown', z.object({ locked: z.literal(true) }))
