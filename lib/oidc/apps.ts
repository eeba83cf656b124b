/** Which apps sessions are signed in to, for the pages that show sessions. */
import * as sessions from '../sessions'
import * as store from './store'

export interface SessionApp {
  clientId: string
  name: string
}

/** The apps of each of these sessions, last used first; a session without any is not in the map. */
export async function appsOf(sids: string[]): Promise<Map<string, SessionApp[]>> {
  const apps = new Map<string, SessionApp[]>()
  for (const { sessionId, clientId, name } of await store.appsBySession(sids)) {
    const known = apps.get(sessionId)
    if (known) known.push({ clientId, name })
    else apps.set(sessionId, [{ clientId, name }])
  }
  return apps
}

/** Live sessions of a user (of the 1,000 last active) that are signed in to an app whose name holds `text`. */
export const sessionsWithApp = async (userId: string, text: string): Promise<string[]> =>
  store.sessionsWithApp(await sessions.wouldEnd({ userId }), text)
