/** Linking what a provider said to the account that its address belongs to, once its owner has proven it is theirs. */
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import { enrol } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt } from './attempt'
import * as store from './store'

/**
 * Links, in an attempt of which nothing else is missing; does nothing in any other. Whoever proved another account than
 * the one they were told of gets nothing linked, and a provider's word opens no door to another provider's.
 * @returns refusals `account_changed`, `identity_taken`
 */
export async function join(flow: string, attempt: Attempt, caller: Caller): Promise<Result> {
  const { linking, userId, versions: before } = attempt
  if (!linking) return ok()
  const theirs = linking.userId === userId && attempt.proofs.some(({ method }) => OWN.includes(method))
  const linked = theirs
    ? await inTx(async (tx) => {
        await users.lock(tx, linking.userId)
        const now = await sessions.versionsIn(tx, linking.userId)
        if (now?.session !== before?.session || now?.factor !== before?.factor)
          return refuse('account_changed')
        const made = await enrol.account(tx, linking.userId, linking.identity, caller)
        return made.ok ? ok(await sessions.versionsIn(tx, linking.userId)) : made
      })
    : ok(before)
  if (!linked.ok) return linked
  await store.update(flow, (a) => {
    if (a.userId !== userId || a.proofs[0]?.at !== attempt.proofs[0]?.at) return
    a.linking = null
    a.versions = linked.value
  })
  return ok()
}

/** Proofs that are given here, and now. */
const OWN: readonly string[] = ['password', 'email_code', 'sms_code', 'passkey']
