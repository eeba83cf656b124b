'use server'

import { revalidatePath } from 'next/cache'
import { redirect } from 'next/navigation'
import { z } from 'zod'
import { oidc, security } from '@/lib'
import type { TokenState } from '../../../../components/account/make-token'
import { action, type FormState } from '../../../_lib/guard'
import { tokensOutcome } from './outcome'

const PAGE = '/account/tokens'

/** A box for each scope: a form's field counts once. */
const boxOf = (scope: string): string => `scope ${scope}`

/** Makes a token and says it, this once. */
export async function makeToken(_previous: TokenState | null, form: FormData): Promise<TokenState> {
  const { scopes } = oidc.personalTokens.options()
  const schema = z.object({
    name: z.string().trim().min(1).max(200),
    days: z.coerce.number().int(),
    ...Object.fromEntries(scopes.map((scope) => [boxOf(scope), z.string().max(10).optional()])),
  })
  let token: TokenState['token']
  const options = { page: PAGE, schema, fresh: true, draft: 'make' }
  const answer = await action(form, options, async (input, { session, caller }) => {
    const ticked = scopes.filter((scope) => (input as Record<string, unknown>)[boxOf(scope)])
    const made = await security.tokens.make(session, { ...input, scopes: ticked }, caller)
    if (!made.ok) return made.refusal
    token = { value: made.value.value, name: made.value.name }
    // The list above it has it, too.
    revalidatePath(PAGE)
    return { ok: true }
  })
  return token ? { ...answer, token } : answer
}

/** Ends one; no fresh proof, as with everything that only ends something. */
export async function endToken(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(
    form,
    { page: PAGE, schema: z.object({ id: z.uuid() }) },
    async ({ id }, { session, caller }) => {
      const found = (await oidc.personalTokens.list(session.userId)).find((one) => one.id === id)
      const ended = await security.tokens.remove(session, { id }, caller)
      await tokensOutcome.keep({ kind: ended.ok ? 'ended' : 'gone', name: found?.name ?? '' })
      redirect(PAGE)
    },
  )
}
