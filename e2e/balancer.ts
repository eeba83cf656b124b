/**
 * A load balancer as small as one can be, and no kinder than a real one: it asks each portal's /readyz, takes
 * turns among those that are ready, keeps connections to them, and tries another one only when nothing was
 * sent yet because the first took no connection.
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const PROBE_EVERY_MS = 50
/** So many probes have to fail before a portal is left alone. */
const FALL = 3

interface Backend {
  ready: boolean
  served: number
  agent: Agent
}

export interface Balancer {
  port: number
  url: string
  add(port: number): void
  /** How many requests a portal has answered through here. */
  served(port: number): number
  close(): Promise<void>
}

export async function startBalancer(): Promise<Balancer> {
  const backends = new Map<number, Backend>()
  let turn = 0

  const probe = (port: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    )
  let probing = true
  const watch = async (port: number, backend: Backend) => {
    for (let failed = 0; probing; ) {
      failed = (await probe(port)) ? 0 : failed + 1
      backend.ready = failed < FALL
      await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS))
    }
  }

  const pass = (req: IncomingMessage, res: ServerResponse, body: Buffer, tried: Set<number>): void => {
    const able = [...backends].filter(([port, { ready }]) => ready && !tried.has(port))
    const next = able[turn++ % able.length]
    if (!next) return void res.writeHead(502).end('no portal is ready')
    const [port, backend] = next
    tried.add(port)
    const came = [req.headers['x-forwarded-for'], req.socket.remoteAddress].flat().filter(Boolean)
    const headers = { ...req.headers, connection: 'keep-alive', 'x-forwarded-for': came.join(', ') }
    const { agent } = backend
    const sent = request(
      { host: '127.0.0.1', port, method: req.method, path: req.url, headers, agent },
      (answer) => {
        backend.served++
        const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...kept } = answer.headers
        res.writeHead(answer.statusCode ?? 502, kept)
        answer.pipe(res)
        answer.once('error', () => res.destroy())
      },
    )
    sent.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') pass(req, res, body, tried)
      else if (res.headersSent) res.destroy()
      else res.writeHead(502).end(`a portal broke off: ${error.message}`)
    })
    sent.end(body)
  }

  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    pass(req, res, Buffer.concat(chunks), new Set())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://localhost:${port}`,
    add: (at) => {
      const backend = { ready: false, served: 0, agent: new Agent({ keepAlive: true }) }
      backends.set(at, backend)
      void watch(at, backend)
    },
    served: (at) => backends.get(at)?.served ?? 0,
    close: async () => {
      probing = false
      for (const { agent } of backends.values()) agent.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
