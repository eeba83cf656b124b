/** Hosts for tests: real, on a free port, of the parts that a test is about; the others let nobody in and know nothing. */
import type { AddressInfo } from 'node:net'
import { refuse } from '../base/refusals'
import type { Health } from './health'
import type { ManagementParts } from './management'
import { createHost, type Host, type HostParts } from './server'

const nothing = async (): Promise<never> => {
  throw new Error('nobody was let in')
}

const nobodyManages: ManagementParts = {
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

const allWell: Health = {
  readiness: async () => ({ ready: true, checks: { database: 'ok', migrations: 'ok', redis: 'ok' } }),
  databaseDown: () => false,
  failures: () => 0,
  stop: () => {},
}

export interface ListeningHost extends Host {
  port: number
}

/** A host that listens on loopback. */
export async function listeningHost(parts: Partial<HostParts>): Promise<ListeningHost> {
  const host = createHost({
    pages: async (_req, res) => void res.writeHead(404).end(),
    forms: {},
    oidc: async () => {},
    documents: () => false,
    signedOut: () => null,
    checkSession: async () => null,
    sessionEvents: { answer: async () => {}, close: () => {} },
    avatar: async () => null,
    providerTokens: { access: async () => null, tokenOf: async () => refuse('not_found') },
    management: nobodyManages,
    statics: () => false,
    health: allWell,
    ...parts,
  })
  await new Promise<void>((resolve) => host.server.listen(0, '127.0.0.1', resolve))
  return { ...host, port: (host.server.address() as AddressInfo).port }
}
