'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { recovery } from '@/lib'
import { action, type FormState } from '../../../_lib/guard'
import { vouchOutcome } from './outcome'

const PAGE = '/account/vouch'

/** Accepts to be somebody's trusted contact. */
export async function acceptInvitation(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ token: z.string().max(100) })
  return action(form, { page: PAGE, schema }, async ({ token }, who) => {
    const accepted = await recovery.contacts.accept(token, who)
    if (!accepted.ok) return accepted.refusal
    await vouchOutcome.keep({ kind: 'accepted', name: accepted.value.name })
    redirect(PAGE)
  })
}

/** Vouches for the person who asked; with a proof of the last ten minutes. */
export async function vouch(_previous: FormState | null, form: FormData): Promise<FormState> {
  const id = form.get('requestId')
  const page = typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id) ? `${PAGE}/${id}` : PAGE
  const schema = z.object({ requestId: z.uuid(), code: z.string().max(40) })
  return action(form, { page, schema, fresh: true }, async (input, who) => {
    const given = await recovery.contacts.vouch(input, who)
    if (!given.ok) return given.refusal
    redirect(page)
  })
}

/** Steps down as somebody's trusted contact. */
export async function stepDown(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ id: z.uuid() })
  return action(form, { page: PAGE, schema }, async ({ id }, who) => {
    const left = await recovery.contacts.remove({ userId: id, contactId: who.session.userId }, who)
    if (!left.ok) return left.refusal
    await vouchOutcome.keep({ kind: 'left' })
    redirect(PAGE)
  })
}
