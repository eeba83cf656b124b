'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { oidc } from '@/lib'
import { action, type FormState } from '../../../_lib/guard'
import { keepOutcome } from './outcome'

const PAGE = '/account/apps'

/**
 * Takes back what an app may know of the signed-in person, and signs them out of it. No fresh proof: it gives nobody
 * anything, and who is worried must be able to act at once (decisions 074 and 087).
 */
export async function removeAccess(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ app: z.string().min(1).max(200) })
  return action(form, { page: PAGE, schema }, async ({ app }, { caller, session }) => {
    const removed = await oidc.grants.revoke(session.userId, app, { caller })
    if (removed.ok) redirect(`${PAGE}?removed=${removed.value.id}`)
    await keepOutcome({ kind: 'gone' })
    redirect(PAGE)
  })
}
