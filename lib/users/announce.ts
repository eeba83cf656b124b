/** Tells the other rooms and processes that a user changed. */
import { now } from '../base/clock'
import { onCommit, type Tx } from '../base/db'
import { CHANNELS } from '../base/keys'
import { publish } from '../base/redis'

/** Says `user:created` or `user:updated` once `tx` has committed. Payload: { userId, at (ISO 8601) }. */
export function announce(tx: Tx, what: 'created' | 'updated', userId: string): void {
  const at = now().toISOString()
  onCommit(tx, () =>
    publish(what === 'created' ? CHANNELS.userCreated : CHANNELS.userUpdated, { userId, at }),
  )
}
