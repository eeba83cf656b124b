/** Where the portal listens: on which addresses, and words for what can go wrong there. */
import { createServer, type Server } from 'node:http'
import { createServer as createSocketServer, isIPv6, type Server as SocketServer } from 'node:net'
import { freePort } from '../../scripts/free-port.mjs'
import { type Env, env } from '../base/env'
import { BootError, errorCode } from './boot-error'

/** Every interface: without a host Node takes IPv6 and IPv4 together. */
const EVERYWHERE = undefined

type Address = string | typeof EVERYWHERE

/**
 * The addresses to listen on. A portal whose origin is this machine's is for this machine alone, whatever
 * network it is in; browsers take `localhost` for either of two addresses, so it has both.
 */
export function addresses({ host, loopback, url }: Pick<Env, 'host' | 'loopback' | 'url'>): Address[] {
  if (host && host !== 'localhost') return [host]
  if (!host && !loopback) return [EVERYWHERE]
  const named = new URL(url).hostname
  return [...new Set(['127.0.0.1', '::1', ...(/^127\./.test(named) ? [named] : [])])]
}

/** Where this process reaches itself. */
export function selfOrigin({ host, port }: Pick<Env, 'host' | 'port'>): string {
  const at = !host || ['localhost', '0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host
  return `http://${isIPv6(at) ? `[${at}]` : at}:${port}`
}

function trouble(error: unknown, port: number, setting: string, address: Address): Error {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new BootError(
        `Port ${port} is taken by another program: stop it, or choose another port with ${setting}.`,
      )
    case 'EACCES':
      return new BootError(`Port ${port} is not allowed to this user: choose one above 1023 with ${setting}.`)
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return new BootError(`This machine has no address ${address}: choose another with GATEHOUSE_HOST.`)
    default:
      return error as Error
  }
}

/** Many containers have no IPv6. */
const isMissing = (error: unknown): boolean =>
  ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(errorCode(error) ?? '')

function listenAt(server: SocketServer, port: number, host: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host }, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

export interface Listening {
  port: number
  /** Takes no more connections; those there are stay. */
  close(): void
}

/**
 * Listens on all of these addresses with one server; ::1 may be missing.
 * @param port 0: any free one, the same for all
 * @throws BootError when the port is taken on any of them
 */
export async function listen(
  server: Server,
  { port, setting, at }: { port: number; setting: string; at: Address[] },
): Promise<Listening> {
  const [first, ...others] = at
  const doors: SocketServer[] = [server]
  const close = () => {
    for (const door of doors) door.close()
  }
  let address = first
  try {
    const found = await listenAt(server, port, first)
    for (address of others) {
      // A server listens once. Connections made at another door are handed to it, as its own would be.
      const door = createSocketServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        server.emit('connection', socket),
      )
      try {
        await listenAt(door, found, address)
        doors.push(door)
      } catch (error) {
        if (address !== '::1' || !isMissing(error)) throw error
      }
    }
    return { port: found, close }
  } catch (error) {
    if (server.listening) close()
    throw trouble(error, port, setting, address)
  }
}

/** A port for a store of ours: free, and not one that the portal listens on a moment later. */
export const storePort = (): Promise<number> => freePort([env().port, env().demoPort])

/** Finds out early, before anything is started, whether a port can be had. */
export async function assertFree(port: number, setting: string, at: Address[]): Promise<void> {
  if (port === 0) return
  const probe = createServer()
  const { close } = await listen(probe, { port, setting, at })
  await new Promise((resolve) => {
    probe.once('close', resolve)
    close()
  })
}
