/**
 * What an intruder may have prepared to come back: a recovery of their own that waits, friends named as trusted
 * contacts. When the owner shuts them out, both end with the rest.
 */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import * as factors from '../factors'
import { whenShutOut } from '../security'
import * as store from './store'

whenShutOut(async (tx: Tx, userId: string, since: Date, caller: Caller | undefined) => {
  if ((await store.endRunning(tx, userId)).length > 0) {
    await record(tx, { type: 'recovery.vetoed', userId, ...(caller && { caller }), data: { by: 'shut_out' } })
  }
  await factors.links.voidAll(tx, userId, 'contact_invitation', since)
  const removed = await store.deleteContactsSince(tx, userId, since)
  if (removed > 0) {
    await record(tx, {
      type: 'contact.removed',
      userId,
      ...(caller && { caller }),
      data: { count: removed, by: 'shut_out' },
    })
  }
})
