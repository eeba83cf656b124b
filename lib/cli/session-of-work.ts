/** What every command that needs the stores does around its work: find them, and leave nothing open. */
import { closeDb } from '../base/db'
import { closeRedis } from '../base/redis'
import { attachStores } from '../host'

/**
 * Runs `work` on the portal's stores: the running portal's, or (when none runs) its embedded ones,
 * started for as long as this takes.
 */
export async function withStores<T>(work: (around: { portal: boolean }) => Promise<T>): Promise<T> {
  const stores = await attachStores()
  try {
    return await work({ portal: stores.portal })
  } finally {
    await closeClients()
    await stores.close()
  }
}

/**
 * The room that ends sessions, loaded with what is owed for their end: the apps that are to be told (oidc says which),
 * and the queue, whose tables a portal that never ran has not made.
 */
export async function sessionsToEnd(): Promise<typeof import('../sessions')> {
  const [sessions, audit] = await Promise.all([import('../sessions'), import('../audit'), import('../oidc')])
  await audit.migrate()
  return sessions
}

/** Closes the clients of this process, so that it can end. */
export async function closeClients(): Promise<void> {
  await closeDb().catch(() => {})
  await closeRedis().catch(() => {})
}
