'use server'

import { z } from 'zod'
import { security } from '@/lib'
import type { CodesState } from '../../../../../components/account/make-codes'
import { action } from '../../../../_lib/guard'
import { setCookieLines } from '../../../../_lib/set-cookies'

const PAGE = '/account/security/codes'

/** Makes new backup codes and says them, this once. */
export async function makeCodes(_previous: CodesState | null, form: FormData): Promise<CodesState> {
  let codes: string[] | undefined
  const answer = await action(
    form,
    { page: PAGE, schema: z.object({}), fresh: true },
    async (_input, who) => {
      const made = await security.backupCodes.generate(who.session, who.caller)
      if (!made.ok) return made.refusal
      await setCookieLines(made.value.setCookies)
      codes = made.value.codes
      return { ok: true }
    },
  )
  return { ...answer, codes }
}
