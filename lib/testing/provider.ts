/** A provider's HTTP API on this machine: keeps what it receives, answers as it is told. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Call {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}

export interface Reply {
  status: number
  body?: unknown
  headers?: Record<string, string>
  /** Never answers. */
  silent?: boolean
}

export interface Provider {
  calls: Call[]
  url: () => string
  start: () => Promise<void>
  stop: () => Promise<void>
  /** What it says from now on. */
  reply: (fn: (call: Call) => Reply) => void
}

export function provider(): Provider {
  const calls: Call[] = []
  let answer: (call: Call) => Reply = () => ({ status: 200, body: {} })
  let server: Server | null = null
  let port = 0
  return {
    calls,
    url: () => `http://127.0.0.1:${port}`,
    reply: (fn) => {
      answer = fn
    },
    start: async () => {
      server = createServer((req, res) => {
        const chunks: Buffer[] = []
        req.on('data', (chunk: Buffer) => chunks.push(chunk))
        req.on('end', () => {
          const call: Call = {
            method: req.method ?? '',
            path: req.url ?? '',
            headers: req.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }
          calls.push(call)
          const { status, body, headers, silent } = answer(call)
          if (silent) return
          res.writeHead(status, { 'content-type': 'application/json', ...headers })
          res.end(body === undefined ? '' : JSON.stringify(body))
        })
      })
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as AddressInfo).port
    },
    stop: async () => {
      const closing = server
      server = null
      closing?.closeAllConnections()
      await new Promise<void>((resolve) => (closing ? closing.close(() => resolve()) : resolve()))
    },
  }
}
