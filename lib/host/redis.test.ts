import { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import { isAlive, waitForExit } from './processes'
import { type EmbeddedRedis, startRedis } from './redis'

let server: EmbeddedRedis | undefined
const clients: Redis[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await server?.stop()
})

const connect = (url: string, options = {}) => {
  const client = new Redis(url, { maxRetriesPerRequest: 5, ...options })
  client.on('error', () => {})
  clients.push(client)
  return client
}

const KINDS = [
  ['a server of this machine', process.env.PATH ?? ''],
  ['the built-in server', '/nowhere'],
] as const

describe.each(KINDS)('%s', (_kind, searchPath) => {
  test('serves what the rooms use: expiry, scripts, GETDEL, NX, pub/sub', async () => {
    server = await startRedis({ searchPath })
    const redis = connect(server.url)
    await redis.set('a', '1', 'PX', 60_000, 'NX')
    expect(await redis.set('a', '2', 'PX', 60_000, 'NX')).toBeNull()
    expect(await redis.pttl('a')).toBeGreaterThan(50_000)
    expect(await redis.getdel('a')).toBe('1')
    expect(await redis.eval("return redis.call('incrby', KEYS[1], ARGV[1])", 1, 'n', 3)).toBe(3)
    const heard = new Promise<string>((resolve) => {
      const subscriber = connect(server?.url ?? '')
      subscriber.on('message', (_channel, text) => resolve(text))
      void subscriber.subscribe('c').then(() => redis.publish('c', 'hello'))
    })
    expect(await heard).toBe('hello')
  })

  test('no_password_no_answer', async () => {
    server = await startRedis({ searchPath })
    const { port } = new URL(server.url)
    const stranger = connect(`redis://127.0.0.1:${port}`, { enableReadyCheck: false })
    await expect(stranger.get('a')).rejects.toThrow(/NOAUTH/)
    const guesser = connect(`redis://:guess@127.0.0.1:${port}`, { retryStrategy: () => null })
    await expect(guesser.get('a')).rejects.toThrow()
  })

  test('no_answer_on_other_interfaces', async () => {
    server = await startRedis({ searchPath })
    const { hostname, port } = new URL(server.url)
    expect(hostname).toBe('127.0.0.1')
    const outside = connect(`redis://127.0.0.2:${port}`, { retryStrategy: () => null })
    await expect(outside.ping()).rejects.toThrow()
  })
})

const onPath = await startRedis().then(async (probe) => {
  const has = probe.process() !== undefined
  await probe.stop()
  return has
})

describe.skipIf(!onPath)('a redis-server', () => {
  test('that dies is started again at the same address', async () => {
    const troubles: string[] = []
    server = await startRedis({ onTrouble: (text) => troubles.push(text) })
    const first = server.process()?.pid ?? 0
    const redis = connect(server.url, { maxRetriesPerRequest: 50 })
    await redis.ping()
    process.kill(first, 'SIGKILL')
    await waitForExit(first, 5000)
    expect(await redis.ping()).toBe('PONG')
    expect(server.process()?.pid).not.toBe(first)
    expect(troubles).toEqual(['Redis ended unexpectedly; starting it again'])
  })

  test('that outlived its portal is taken over with what it holds', async () => {
    const left = await startRedis()
    const at = left.process() ?? { pid: 0, started: '' }
    const redis = connect(left.url)
    await redis.set('kept', 'yes')
    server = await startRedis({ survivor: { url: left.url, ...at } })
    expect(server.process()).toEqual(at)
    expect(await redis.get('kept')).toBe('yes')
  })

  test('keeps its password out of the command line, and ends when told to', async () => {
    server = await startRedis()
    const pid = server.process()?.pid ?? 0
    const { commandLine } = await import('./processes')
    expect(commandLine(pid)).not.toContain(new URL(server.url).password)
    await server.stop()
    expect(isAlive(pid)).toBe(false)
  })
})
