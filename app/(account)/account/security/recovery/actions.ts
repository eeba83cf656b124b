'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { recovery } from '@/lib'
import { action, type FormState } from '../../../../_lib/guard'
import { recoveryOutcome, refusedOutcome } from './outcome'

const PAGE = '/account/security/recovery'
const target = z.object({ kind: z.enum(['email', 'phone']), id: z.uuid() })
const withId = z.object({ id: z.uuid() })

/** Sends a rehearsal code and goes on to where it is typed. */
export async function rehearse(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: target }, async (way, who) => {
    const sent = await recovery.rehearse.begin(way, who)
    if (!sent.ok) await recoveryOutcome.keep(refusedOutcome(sent.refusal))
    // A code sent a moment ago may still be on its way: then its field is where to go on.
    const waits = sent.ok || sent.refusal.code === 'rate_limited'
    redirect(waits ? `${PAGE}?rehearse=${way.id}` : PAGE)
  })
}

/** Takes the code that arrived. */
export async function confirmRehearsal(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = target.extend({ code: z.string().max(40) })
  return action(form, { page: PAGE, schema }, async ({ code, ...way }, who) => {
    const confirmed = await recovery.rehearse.confirm(way, code, who)
    if (!confirmed.ok) return confirmed.refusal
    await recoveryOutcome.keep({ kind: 'arrived' })
    redirect(PAGE)
  })
}

/** Invites a trusted contact. */
export async function inviteContact(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ email: z.string().max(400) })
  return action(form, { page: PAGE, schema, fresh: true, draft: 'contacts' }, async ({ email }, who) => {
    const invited = await recovery.contacts.invite({ email }, who)
    if (!invited.ok) return invited.refusal
    await recoveryOutcome.keep({ kind: 'invited', address: email.trim().slice(0, 254) })
    redirect(PAGE)
  })
}

/** Takes an invitation back. */
export async function withdrawInvitation(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId }, async ({ id }, who) => {
    const withdrawn = await recovery.contacts.withdraw(id, who)
    if (!withdrawn.ok) return withdrawn.refusal
    await recoveryOutcome.keep({ kind: 'withdrawn' })
    redirect(PAGE)
  })
}

/** Takes the trust back from a contact. */
export async function removeContact(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId, fresh: true }, async ({ id }, who) => {
    const removed = await recovery.contacts.remove({ userId: who.session.userId, contactId: id }, who)
    if (!removed.ok) return removed.refusal
    await recoveryOutcome.keep({ kind: 'removed' })
    redirect(PAGE)
  })
}
