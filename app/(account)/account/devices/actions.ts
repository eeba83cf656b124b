'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { sessions } from '@/lib'
import { deviceName } from '../../../../components/account/words'
import { action, type FormState } from '../../../_lib/guard'
import { keepOutcome } from './outcome'

const PAGE = '/account/devices'

const one = z.object({ id: z.uuid() })

/** To the page that says what ended; `gone` where nothing was there to end, or it is somebody else's. */
async function tell(to: string, ended: { id: string; sids: string[] } | null): Promise<never> {
  if (ended?.sids.length) redirect(`${to}?ended=${ended.id}`)
  await keepOutcome({ kind: 'gone' })
  redirect(to)
}

/*
 * None of these asks for a fresh proof: who is worried must be able to act at once, and ending sessions gives
 * nobody anything (decision 074).
 */

/** Ends one session of the signed-in person; an id of somebody else's ends nothing. */
export async function signOutOne(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: one }, async ({ id }, { caller, session }) => {
    if (id === session.sid) redirect('/signout')
    const device = await sessions.known.deviceOf(session.userId, id)
    // This browser is nobody's lost one: what it is trusted with stays.
    const lost = device === session.deviceId ? {} : ({ lost: true } as const)
    const ended = await sessions.revoke(
      { userId: session.userId, sid: id, ...lost },
      { reason: 'user', caller },
    )
    return tell(device ? `${PAGE}/${device}` : PAGE, ended)
  })
}

/** Ends all sessions of another device. */
export async function signOutDevice(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: one }, async ({ id }, { caller, session }) => {
    if (id === session.deviceId) redirect('/signout')
    const where = { userId: session.userId, deviceId: id, lost: true } as const
    return tell(PAGE, await sessions.revoke(where, { reason: 'user', caller }))
  })
}

/** Ends every session of the signed-in person but this one. */
export async function signOutOthers(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: z.object({}) }, async (_input, { caller, session }) => {
    const where = { userId: session.userId, exceptSid: session.sid }
    return tell(PAGE, await sessions.revoke(where, { reason: 'user', caller }))
  })
}

/** Gives a device a name; an empty one gives it back its browser's. */
export async function renameDevice(_previous: FormState | null, form: FormData): Promise<FormState> {
  const named = one.extend({ name: z.string().max(200) })
  return action(form, { page: PAGE, schema: named }, async ({ id, name }, { caller, session }) => {
    const renamed = await sessions.known.rename(session.userId, id, name, caller)
    if (!renamed.ok) return renamed.refusal
    await keepOutcome({ kind: 'renamed' })
    redirect(`${PAGE}/${id}`)
  })
}

/** Forgets another device: its sessions end, and it is a new one at the next sign-in. */
export async function forgetDevice(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: one }, async ({ id }, { caller, session }) => {
    if (id === session.deviceId) redirect('/signout')
    const device = await sessions.known.get(session.userId, id)
    const forgotten = await sessions.forgetDevice(session.userId, id, { reason: 'user', caller })
    if (!forgotten.ok || !device) return tell(PAGE, null)
    await keepOutcome({ kind: 'forgotten', name: await deviceName({ ...device, deviceName: device.name }) })
    redirect(forgotten.value.sids.length ? `${PAGE}?ended=${forgotten.value.id}` : PAGE)
  })
}
