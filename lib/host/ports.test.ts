/** Who can knock: real sockets on the addresses of this machine. */
import { createServer, get } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../scripts/free-port.mjs'
import { readEnv } from '../base/env'
import { addresses, assertFree, type Listening, listen, selfOrigin } from './ports'

const open: { close(): void }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
const hasIPv6 = interfaces.some(({ address }) => address === '::1')
const outside = interfaces.find(({ internal, family }) => !internal && family === 'IPv4')?.address

/** What a server says to a knock at this address; null when there is none. */
const knock = (host: string, port: number) =>
  new Promise<string | null>((resolve) => {
    get({ host, port, agent: false }, (res) => res.setEncoding('utf8').on('data', resolve)).on('error', () =>
      resolve(null),
    )
  })

async function serve(settings: Record<string, string>, port = 0): Promise<Listening> {
  const server = createServer((req, res) => res.end(`to ${req.socket.localAddress}`))
  const listening = await listen(server, { port, setting: 'PORT', at: addresses(readEnv(settings)) })
  open.push(listening)
  return listening
}

/** Somebody else's program. */
async function occupy(host: string | undefined, port: number): Promise<void> {
  const other = createSocketServer()
  await new Promise<void>((resolve) => other.listen({ port, host, ipv6Only: host === '::1' }, resolve))
  open.push(other)
}

describe('a portal for this machine alone', () => {
  test('is reached by either meaning of localhost, through one server', async () => {
    const { port, close } = await serve({})
    expect(await knock('127.0.0.1', port)).toBe('to 127.0.0.1')
    if (hasIPv6) expect(await knock('::1', port)).toBe('to ::1')
    close()
    expect(await knock('127.0.0.1', port)).toBeNull()
    expect(await knock('::1', port)).toBeNull()
  })

  test('no_knock_from_the_network', async () => {
    const { port } = await serve({})
    expect(await knock('127.0.0.2', port)).toBeNull()
    if (outside) expect(await knock(outside, port)).toBeNull()
  })

  test('also listens where its own origin says', () => {
    expect(addresses(readEnv({ GATEHOUSE_URL: 'http://127.0.0.9:3000' }))).toContain('127.0.0.9')
    expect(addresses(readEnv({ GATEHOUSE_URL: 'http://[::1]:3000' }))).toEqual(['127.0.0.1', '::1'])
  })
})

describe('GATEHOUSE_HOST and the origin', () => {
  const GATEHOUSE_URL = 'https://id.example.com'

  test('behind a public origin it listens everywhere', async () => {
    const { port } = await serve({ GATEHOUSE_URL })
    expect(await knock('127.0.0.2', port)).toMatch(/127\.0\.0\.2$/)
    if (outside) expect(await knock(outside, port)).toMatch(/^to /)
  })

  test('GATEHOUSE_HOST decides for either', async () => {
    const wide = await serve({ GATEHOUSE_HOST: '0.0.0.0' })
    expect(await knock('127.0.0.2', wide.port)).toBe('to 127.0.0.2')
    const narrow = await serve({ GATEHOUSE_URL, GATEHOUSE_HOST: '127.0.0.1' })
    expect(await knock('127.0.0.1', narrow.port)).toBe('to 127.0.0.1')
    expect(await knock('127.0.0.2', narrow.port)).toBeNull()
    expect(addresses(readEnv({ GATEHOUSE_URL, GATEHOUSE_HOST: 'localhost' }))).toEqual(['127.0.0.1', '::1'])
  })

  test('GATEHOUSE_HOST that this machine does not have is refused in one sentence', async () => {
    await expect(serve({ GATEHOUSE_HOST: '192.0.2.1' })).rejects.toThrow(
      /^This machine has no address 192\.0\.2\.1: .*GATEHOUSE_HOST\.$/,
    )
    expect(() => readEnv({ GATEHOUSE_HOST: 'x86_64-linux' })).toThrow(/^GATEHOUSE_HOST must be an address/)
  })

  test('the portal reaches itself where it listens, never a stranger beside it', () => {
    expect(selfOrigin({ host: undefined, port: 3000 })).toBe('http://127.0.0.1:3000')
    expect(selfOrigin({ host: '0.0.0.0', port: 3000 })).toBe('http://127.0.0.1:3000')
    expect(selfOrigin({ host: '10.0.0.5', port: 3000 })).toBe('http://10.0.0.5:3000')
    expect(selfOrigin({ host: '::1', port: 3000 })).toBe('http://[::1]:3000')
  })
})

describe('a port that is taken', () => {
  const at = addresses(readEnv({}))

  test.each<{ host?: string }>([{ host: '127.0.0.1' }, ...(hasIPv6 ? [{ host: '::1' }] : []), {}])(
    'on $host is noticed early, and nothing of ours stays open',
    async ({ host }) => {
      const port = await freePort()
      await occupy(host, port)
      await expect(assertFree(port, 'PORT', at)).rejects.toThrow(
        `Port ${port} is taken by another program: stop it, or choose another port with PORT.`,
      )
      await expect(serve({}, port)).rejects.toThrow(/is taken by another program/)
    },
  )

  test('by our own probe is free again at once', async () => {
    const port = await freePort()
    await assertFree(port, 'PORT', at)
    await assertFree(port, 'PORT', at)
    expect((await serve({}, port)).port).toBe(port)
  })
})
