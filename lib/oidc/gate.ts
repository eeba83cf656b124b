/**
 * The one gate every grant, token and code passes at every use. The adapter asks it before it hands
 * anything to the library, so no endpoint can forget to.
 */
import * as sessions from '../sessions'
import * as clients from './clients'
import { reaches } from './levels'

/** Codes and tokens that act for a person name the session they came from. */
export interface Bearer {
  userId: string
  clientId: string
  sid: string
}

/**
 * True while the app is switched on, the session is alive (not revoked, ended or replaced) and belongs
 * to this user, who may be signed in: a session of a disabled user is not alive. An app that was registered
 * with a level of assurance gets nothing out of a session below it, and one that takes no guests (any more)
 * nothing out of a guest's.
 * @throws StoresDown
 */
export async function may({ userId, clientId, sid }: Bearer): Promise<boolean> {
  const [client, facts] = await Promise.all([clients.active(clientId), sessions.alive(sid)])
  if (!client || facts?.userId !== userId) return false
  if (facts.guest && !clients.takesGuests(client)) return false
  return client.settings.acr === undefined || reaches(facts.acr, client.settings.acr)
}
