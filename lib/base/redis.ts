/** The clients of Redis: one for commands, one for subscriptions. Commands time out, never queue for ever. */
import { Redis } from 'ioredis'
import { env } from './env'
import { type Channel, KEYS } from './keys'
import { log } from './log'
import { StoresDown } from './refusals'

const COMMAND_TIMEOUT_MS = 1000

let commands: Redis | null = null
let subscriber: Redis | null = null
const listeners = new Map<string, Set<(payload: unknown) => void>>()
const connectionListeners = new Set<(up: boolean) => void>()

function connect(role: string): Redis {
  const url = env().redisUrl
  if (!url) throw new StoresDown('redis', new Error('REDIS_URL is not set'))
  const client = new Redis(url, {
    connectionName: `gatehouse-${role}`,
    commandTimeout: role === 'commands' ? COMMAND_TIMEOUT_MS : undefined,
    connectTimeout: 2000,
    maxRetriesPerRequest: role === 'commands' ? 1 : null,
    enableOfflineQueue: true,
    retryStrategy: (times: number) => Math.min(100 * times, 1000),
    // A replica that was promoted or a failover says READONLY: reconnect to find the primary.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  })
  let lastError = ''
  client.on('error', (error: Error) => {
    if (error.message !== lastError) log().warn({ err: error.message, role }, 'redis connection failed')
    lastError = error.message
  })
  client.on('ready', () => {
    lastError = ''
  })
  return client
}

export function redis(): Redis {
  commands ??= connect('commands')
  return commands
}

/**
 * Runs Redis commands; a failure to answer becomes StoresDown.
 * Errors that Redis itself answered (a wrong script) are thrown as they are.
 */
export async function withRedis<T>(fn: (client: Redis) => Promise<T>): Promise<T> {
  try {
    const client = redis()
    gather(client)
    return await fn(client)
  } catch (error) {
    const { name, message } = error as Error
    if (
      name === 'ReplyError' &&
      !/^(READONLY|OOM|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|CLUSTERDOWN)/.test(message)
    )
      throw error
    throw new StoresDown('redis', error)
  }
}

let held: Stream | null = null
interface Stream {
  cork?(): void
  uncork?(): void
}

/**
 * What is asked of Redis in one turn of the event loop leaves as one packet: each packet is a call of the kernel, and that
 * costs more than what Redis does with it.
 */
function gather({ stream }: Redis): void {
  const now = stream as Stream | undefined
  if (!now || now === held) return
  held = now
  now.cork?.()
  setImmediate(() => {
    if (held === now) held = null
    now.uncork?.()
  })
}

/** Deletes every key of the house (lib/base/keys.ts), and nobody else's. @returns how many there were */
export async function dropKeys(): Promise<number> {
  return await withRedis(async (client) => {
    let dropped = 0
    const beginnings = new Set(Object.values(KEYS).map(({ pattern }) => pattern.replace(/\{.*$/, '*')))
    for (const match of beginnings) {
      for await (const names of client.scanStream({ match, count: 1000 })) {
        for (const name of names as string[]) dropped += await client.del(name)
      }
    }
    return dropped
  })
}

/** Publishes a JSON payload without secrets. Never throws: a lost message only delays a cache drop. */
export async function publish(channel: Channel, payload: object): Promise<void> {
  try {
    await redis().publish(channel, JSON.stringify(payload))
  } catch (error) {
    log().warn({ channel, err: (error as Error).message }, 'could not publish')
  }
}

/** Calls `fn` with every payload of a channel. Returns the way to stop. */
export async function subscribe(channel: Channel, fn: (payload: unknown) => void): Promise<() => void> {
  if (!subscriber) {
    subscriber = connect('subscriber')
    subscriber.on('message', (name: string, text: string) => {
      let payload: unknown
      try {
        payload = JSON.parse(text)
      } catch {
        return
      }
      for (const listener of listeners.get(name) ?? []) {
        try {
          listener(payload)
        } catch (error) {
          // Other services may write to these channels too: what is not of our shape must not end the process.
          log().warn({ channel: name, err: (error as Error).message }, 'message not understood')
        }
      }
    })
    subscriber.on('ready', () => tellConnection(true))
    subscriber.on('close', () => tellConnection(false))
  }
  const set = listeners.get(channel) ?? new Set()
  listeners.set(channel, set)
  const first = set.size === 0
  set.add(fn)
  if (first) await subscriber.subscribe(channel)
  return () => set.delete(fn)
}

function tellConnection(up: boolean): void {
  for (const listener of connectionListeners) listener(up)
}

/**
 * Tells when the subscription is lost or back: what was cached meanwhile may be stale.
 */
export function onSubscription(fn: (up: boolean) => void): () => void {
  connectionListeners.add(fn)
  return () => connectionListeners.delete(fn)
}

export async function closeRedis(): Promise<void> {
  const closing = [commands, subscriber]
  commands = null
  subscriber = null
  listeners.clear()
  connectionListeners.clear()
  for (const client of closing) client?.disconnect()
}
