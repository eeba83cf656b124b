'use server'

import { redirect } from 'next/navigation'
import { z } from 'zod'
import { security } from '@/lib'
import { action, type FormState } from '../../../../_lib/guard'
import { setCookieLines } from '../../../../_lib/set-cookies'
import { securityOutcome } from '../outcome'

const SECURITY = '/account/security'
const PAGE = `${SECURITY}/authenticator`

/** Makes the key of a new app and goes on to where it is shown. */
export async function beginAuthenticator(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: z.object({}), fresh: true }, async (_input, who) => {
    const begun = await security.authenticators.begin(who.session, who.caller)
    if (!begun.ok) return begun.refusal
    redirect(PAGE)
  })
}

/** Takes the app's first code; after the first second factor goes on to backup codes. */
export async function confirmAuthenticator(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ code: z.string().max(40), name: z.string().max(200) })
  return action(form, { page: PAGE, schema, fresh: true }, async (input, { session, caller }) => {
    const added = await security.authenticators.confirm(session, input, caller)
    if (!added.ok) return added.refusal
    await setCookieLines(added.value.setCookies)
    await securityOutcome.keep({ kind: 'added', name: added.value.name })
    redirect((await security.backupCodes.missing(session.userId)) ? `${SECURITY}/codes?first=1` : SECURITY)
  })
}
