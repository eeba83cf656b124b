'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { sessions } from '@/lib'
import { action, type FormState } from '../../../_lib/guard'
import { keepOutcome } from './outcome'

const PAGE = '/account/devices'

/** Ends one other session of the signed-in person; an id of somebody else's ends nothing. */
export async function signOutOne(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(
    form,
    { page: PAGE, schema: z.object({ sid: z.uuid() }) },
    async ({ sid }, { caller, session }) => {
      const where = { userId: session.userId, sid, lost: true } as const
      const { sids } = await sessions.revoke(where, { reason: 'user', caller })
      await keepOutcome({ kind: 'one', count: sids.length })
      redirect(PAGE)
    },
  )
}

/** Ends every session of the signed-in person but this one. */
export async function signOutOthers(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: z.object({}) }, async (_input, { caller, session }) => {
    const where = { userId: session.userId, exceptSid: session.sid }
    const { sids } = await sessions.revoke(where, { reason: 'user', caller })
    await keepOutcome({ kind: 'others', count: sids.length })
    redirect(PAGE)
  })
}
