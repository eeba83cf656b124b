/**
 * The one copy of every room, as the process has it. The host registers it before Next starts; pages
 * and route handlers reach it through the doors of `@/lib`, so no bundle of theirs holds a second one.
 */
import 'server-only'
import * as audit from './audit'
import * as log from './base/log'
import * as requests from './base/requests'
import * as clinic from './clinic'
import * as factors from './factors'
import * as federation from './federation'
import * as forms from './forms'
import * as notify from './notify'
import * as oidc from './oidc'
import * as recovery from './recovery'
import * as security from './security'
import * as sessions from './sessions'
import * as signin from './signin'
import * as users from './users'

export const rooms = {
  audit,
  clinic,
  factors,
  federation,
  forms,
  log,
  notify,
  oidc,
  recovery,
  requests,
  security,
  sessions,
  signin,
  users,
}

export type Rooms = typeof rooms

/** Registers the rooms for this process; whoever comes second gets the first copy. */
export function registerRooms(): Rooms {
  const key = Symbol.for('gatehouse.rooms')
  const holder = globalThis as { [key: symbol]: Rooms | undefined }
  holder[key] ??= rooms
  return holder[key]
}
