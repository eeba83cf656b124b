'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { security } from '@/lib'
import { action, type FormState } from '../../../_lib/guard'
import { setCookieLines } from '../../../_lib/set-cookies'
import { linkedOutcome } from './outcome'

const PAGE = '/account/linked'

/** Goes to a provider, to come back with an account to be linked to this session's person. */
export async function linkAccount(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ provider: z.string().max(100) })
  return action(form, { page: PAGE, schema, fresh: true }, async (input, { session, caller }) => {
    const begun = await security.linked.begin(session, input, caller)
    if (!begun.ok) return begun.refusal
    await setCookieLines(begun.value.setCookies)
    redirect(begun.value.url)
  })
}

/** Unlinks an account; this browser gets a new cookie. */
export async function unlinkAccount(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ id: z.uuid() })
  return action(form, { page: PAGE, schema, fresh: true }, async (input, { session, caller }) => {
    const gone = await security.linked.remove(session, input, caller)
    if (!gone.ok) return gone.refusal
    await setCookieLines(gone.value.setCookies)
    await linkedOutcome.keep({ kind: 'unlinked', name: gone.value.name.slice(0, 400) })
    redirect(PAGE)
  })
}
