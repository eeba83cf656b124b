'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { recovery } from '@/lib'
import { action, askAgain, type FormState } from '../../../_lib/guard'
import { setCookieLines } from '../../../_lib/set-cookies'
import { securityOutcome } from './outcome'

const PAGE = '/account/security'
const schema = z.object({
  current: z.string().max(2000).optional(),
  password: z.string().max(2000),
  others: z.literal('1').optional(),
})

/** Changes or sets the password of the signed-in person; this browser gets a new cookie. */
export async function changePassword(_previous: FormState | null, form: FormData): Promise<FormState> {
  const answer = await action(form, { page: PAGE, schema }, async (input, who) => {
    const { current, password, others } = input
    const done = await recovery.change({ current, password, signOutOthers: others === '1' }, who)
    if (!done.ok) return done.refusal.code === 'proof_required' ? askAgain(PAGE) : done.refusal
    await setCookieLines(done.value.setCookies)
    await securityOutcome.keep({ ended: done.value.ended })
    redirect(PAGE)
  })
  // A password goes back into no form.
  return { ...answer, values: {} }
}
