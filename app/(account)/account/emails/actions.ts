'use server'

import { revalidatePath } from 'next/cache'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { z } from 'zod'
import { security } from '@/lib'
import { action, type FormState } from '../../../_lib/guard'
import { keepOutcome, refusedOutcome } from './outcome'

const PAGE = '/account/emails'
const withId = z.object({ id: z.uuid() })

/** Adds an address and goes on to the code that was sent to it. */
export async function addEmail(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ email: z.string().max(400) })
  return action(
    form,
    { page: PAGE, schema, fresh: true, draft: 'add' },
    async ({ email }, { caller, session }) => {
      const added = await security.emails.add(session, email, caller)
      if (!added.ok) return added.refusal
      if (added.value.refusal) await keepOutcome(refusedOutcome(added.value.refusal))
      redirect(`${PAGE}?verify=${added.value.id}`)
    },
  )
}

/** Takes the code of an address. */
export async function verifyEmail(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = withId.extend({ code: z.string().max(40) })
  return action(form, { page: PAGE, schema }, async ({ id, code }, { caller, session }) => {
    const verified = await security.emails.verify(session, id, code, caller)
    if (!verified.ok) {
      const { field, ...refusal } = verified.refusal
      return field === 'code' ? { ...refusal, field } : refusal
    }
    await keepOutcome({ kind: 'verified', id, address: verified.value.address })
    redirect(PAGE)
  })
}

/** Sends another code to an address that is not confirmed yet. */
export async function resendCode(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId }, async ({ id }, { caller, session }) => {
    const sent = await security.emails.resend(session, id, caller)
    if (!sent.ok) return sent.refusal
    revalidatePath(PAGE)
    return { ok: true, message: (await getTranslations('account.emails'))('done_resent') }
  })
}

/** Makes a confirmed address the primary one. */
export async function makePrimary(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId, fresh: true }, async ({ id }, { caller, session }) => {
    const moved = await security.emails.makePrimary(session, id, caller)
    if (!moved.ok) return moved.refusal
    revalidatePath('/account', 'layout')
    await keepOutcome({ kind: 'primary', address: moved.value.address })
    redirect(PAGE)
  })
}

/** Removes an address. */
export async function removeEmail(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId, fresh: true }, async ({ id }, { caller, session }) => {
    const removed = await security.emails.remove(session, id, caller)
    if (!removed.ok) return removed.refusal
    await keepOutcome({ kind: 'removed', address: removed.value.address })
    redirect(PAGE)
  })
}
