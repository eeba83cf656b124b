/** For hosts whose test is about something else: an app registry that lets nobody in. */
import type { ManagementParts } from './management'

const nothing = async (): Promise<never> => {
  throw new Error('nobody was let in')
}

export const nobodyManages: ManagementParts = {
  admit: async () => ({ ok: false, challenge: { status: 401, error: 'invalid_token', headers: {} } }),
  challenge: () => '',
  clients: {
    add: nothing,
    disable: nothing,
    enable: nothing,
    get: nothing,
    list: nothing,
    readChanges: () => {
      throw new Error('nobody was let in')
    },
    remove: nothing,
    removeSecret: nothing,
    rotateSecret: nothing,
    update: nothing,
  },
}
