'use server'

import { revalidatePath } from 'next/cache'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { z } from 'zod'
import { security } from '@/lib'
import { action, type FormState } from '../../../_lib/guard'
import { keepOutcome, refusedOutcome } from './outcome'

const PAGE = '/account/phones'
const withId = z.object({ id: z.uuid() })

/** Adds a number and goes on to the code that was sent to it. */
export async function addPhone(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ number: z.string().max(100), country: z.string().max(8).optional() })
  return action(
    form,
    { page: PAGE, schema, fresh: true, draft: 'add' },
    async (input, { caller, session }) => {
      const added = await security.phones.add(session, input, caller)
      if (!added.ok) return added.refusal
      if (added.value.refusal) await keepOutcome(refusedOutcome(added.value.refusal))
      redirect(`${PAGE}?verify=${added.value.id}`)
    },
  )
}

/** Takes the code of a number. */
export async function verifyPhone(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = withId.extend({ code: z.string().max(40) })
  return action(form, { page: PAGE, schema }, async ({ id, code }, { caller, session }) => {
    const verified = await security.phones.verify(session, id, code, caller)
    if (!verified.ok) {
      const { field, ...refusal } = verified.refusal
      return field === 'code' ? { ...refusal, field } : refusal
    }
    await keepOutcome({ kind: 'verified', number: verified.value.number })
    redirect(PAGE)
  })
}

/** Sends another code to a number that is not confirmed yet. */
export async function resendCode(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId }, async ({ id }, { caller, session }) => {
    const sent = await security.phones.resend(session, id, caller)
    if (!sent.ok) return sent.refusal
    revalidatePath(PAGE)
    return { ok: true, message: (await getTranslations('account.phones'))('done_resent') }
  })
}

/** Makes a confirmed number the primary one. */
export async function makePrimary(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId, fresh: true }, async ({ id }, { caller, session }) => {
    const moved = await security.phones.makePrimary(session, id, caller)
    if (!moved.ok) return moved.refusal
    await keepOutcome({ kind: 'primary', number: moved.value.number })
    redirect(PAGE)
  })
}

/** Removes a number. */
export async function removePhone(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: withId, fresh: true }, async ({ id }, { caller, session }) => {
    const removed = await security.phones.remove(session, id, caller)
    if (!removed.ok) return removed.refusal
    await keepOutcome({ kind: 'removed', number: removed.value.number })
    redirect(PAGE)
  })
}

/** Chooses whether security changes are told by text message too. */
export async function chooseTexts(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ texts: z.literal('on').optional() })
  return action(form, { page: PAGE, schema, fresh: true }, async ({ texts }, { caller, session }) => {
    const chosen = await security.phones.setTexts(session, texts === 'on', caller)
    if (!chosen.ok) return chosen.refusal
    revalidatePath(PAGE)
    const t = await getTranslations('account.phones')
    return { ok: true, message: t(texts === 'on' ? 'texts_on' : 'texts_off') }
  })
}
