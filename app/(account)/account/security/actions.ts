'use server'

import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { z } from 'zod'
import { recovery, security, sessions } from '@/lib'
import type { StrongMethod } from '@/lib/base/env'
import type { CeremonyState } from '../../../../components/account/add-passkey'
import { deviceName } from '../../../../components/account/words'
import { action, type FormState } from '../../../_lib/guard'
import { setCookieLines } from '../../../_lib/set-cookies'
import { securityOutcome } from './outcome'

const PAGE = '/account/security'
const schema = z.object({
  current: z.string().max(2000).optional(),
  password: z.string().max(2000),
  others: z.literal('1').optional(),
})

const target = z.object({ kind: z.enum(['totp', 'passkey']), id: z.uuid() })

/** Changes or sets the password of the signed-in person; this browser gets a new cookie. */
export async function changePassword(_previous: FormState | null, form: FormData): Promise<FormState> {
  const answer = await action(form, { page: PAGE, schema }, async (input, who) => {
    const { current, password, others } = input
    const done = await recovery.change({ current, password, signOutOthers: others === '1' }, who)
    if (!done.ok) return done.refusal
    await setCookieLines(done.value.setCookies)
    await securityOutcome.keep({ kind: 'password', ended: done.value.ended })
    redirect(PAGE)
  })
  // A password goes back into no form.
  return { ...answer, values: {} }
}

/** What the browser is asked for when a passkey or security key is to be made. */
export async function passkeyOptions(
  _previous: CeremonyState | null,
  form: FormData,
): Promise<CeremonyState> {
  let options: CeremonyState['options']
  const kinds = z.object({ kind: z.enum(['passkey', 'security_key']) })
  const answer = await action(form, { page: PAGE, schema: kinds, fresh: true }, async ({ kind }, who) => {
    const begun = await security.passkeys.options(who.session, { kind }, who.caller)
    if (!begun.ok) return begun.refusal
    options = begun.value
    return { ok: true }
  })
  return { ...answer, options }
}

/** Takes what the browser made; after the first second factor goes on to backup codes. */
export async function addPasskey(_previous: FormState | null, form: FormData): Promise<FormState> {
  const responses = z.object({ response: z.string().max(20_000).transform(asJson) })
  const answer = await action(form, { page: PAGE, schema: responses, fresh: true }, async (input, who) => {
    const added = await security.passkeys.add(who.session, input, who.caller)
    if (!added.ok) return added.refusal
    await setCookieLines(added.value.setCookies)
    await securityOutcome.keep({ kind: 'added', name: await called(added.value.nickname, added.value.kind) })
    redirect((await security.backupCodes.missing(who.session.userId)) ? `${PAGE}/codes?first=1` : PAGE)
  })
  return { ...answer, values: {} }
}

/** The name of a factor; one that nobody named is called what it is. */
async function called(name: string, kind: StrongMethod): Promise<string> {
  return name || (await getTranslations('factors.methods'))(kind)
}

/** What a form says to be JSON; what is none is nothing that any verb takes. */
function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Gives a passkey, security key or authenticator app another name. */
export async function renameFactor(_previous: FormState | null, form: FormData): Promise<FormState> {
  const names = target.extend({ name: z.string().max(200) })
  return action(
    form,
    { page: PAGE, schema: names, fresh: true, draft: 'rename' },
    async ({ kind, ...input }, who) => {
      const room = kind === 'totp' ? security.authenticators : security.passkeys
      const renamed = await room.rename(who.session, input, who.caller)
      if (!renamed.ok) return renamed.refusal
      await securityOutcome.keep({ kind: 'renamed', name: input.name.trim().slice(0, 100) })
      redirect(PAGE)
    },
  )
}

/** Removes a passkey, security key or authenticator app; this browser gets a new cookie. */
export async function removeFactor(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: target, fresh: true }, async ({ kind, id }, who) => {
    const room = kind === 'totp' ? security.authenticators : security.passkeys
    const removed = await room.remove(who.session, { id }, who.caller)
    if (!removed.ok) return removed.refusal
    const { setCookies, name, kind: of } = removed.value
    await setCookieLines(setCookies)
    await securityOutcome.keep({ kind: 'removed', name: await called(name, of) })
    redirect(PAGE)
  })
}

/** Asks a trusted browser for the second step again. */
export async function forgetDevice(_previous: FormState | null, form: FormData): Promise<FormState> {
  const devices = z.object({ id: z.uuid() })
  return action(form, { page: PAGE, schema: devices }, async ({ id }, { session }) => {
    const known = (await sessions.devices(session.userId)).find((device) => device.id === id)
    const forgotten = await security.devices.forget(session, id)
    await securityOutcome.keep(
      forgotten.ok && known
        ? { kind: 'asked_again', name: await deviceName({ ...known, deviceName: known.name }) }
        : { kind: 'gone' },
    )
    redirect(PAGE)
  })
}
