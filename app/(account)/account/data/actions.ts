'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { security, sessions } from '@/lib'
import { action, type FormState } from '../../../_lib/guard'
import { setCookieLines } from '../../../_lib/set-cookies'
import { closedOutcome } from '../../../(login)/closed/outcome'

const PAGE = '/account/data'

/** Closes the account and signs this browser out with all others. */
export async function closeAccount(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ address: z.string().max(320).default('') })
  return action(form, { page: PAGE, schema, fresh: true, draft: 'close' }, async (input, who) => {
    const closed = await security.closing.close(who.session, input, who.caller)
    if (!closed.ok) return closed.refusal
    const { eraseAt, canBeKept } = closed.value
    await setCookieLines(sessions.clearCookies())
    await closedOutcome.keep({ eraseAt: eraseAt.getTime(), canBeKept })
    redirect('/closed')
  })
}
