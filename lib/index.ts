/**
 * The doors: the rooms' public faces for app/, looked up at the moment of the call in the one copy that
 * the host registered (lib/rooms.ts). Only types are imported here, so no room's code enters a bundle.
 */
import 'server-only'
import type { Rooms } from './rooms'

const KEY = Symbol.for('gatehouse.rooms')

function rooms(): Rooms {
  const found = (globalThis as { [key: symbol]: Rooms | undefined })[KEY]
  if (!found) throw new Error('the rooms are not registered: start the portal with npm start')
  return found
}

const door = <Name extends keyof Rooms>(name: Name): Rooms[Name] =>
  new Proxy({} as Rooms[Name], {
    get: (_, key) => rooms()[name][key as keyof Rooms[Name]],
    has: (_, key) => key in rooms()[name],
  })

export const audit = door('audit')
export const clinic = door('clinic')
export const factors = door('factors')
export const federation = door('federation')
export const forms = door('forms')
export const log = door('log')
export const notify = door('notify')
export const oidc = door('oidc')
export const recovery = door('recovery')
export const requests = door('requests')
export const security = door('security')
export const sessions = door('sessions')
export const signin = door('signin')
export const users = door('users')
