/** The documents apps read before anything else: discovery and keys, answered from memory with an ETag. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Document {
  body: Buffer
  etag: string
  type: string
}

export function makeDocument(value: object, type: string): Document {
  const body = Buffer.from(JSON.stringify(value))
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`, type }
}

/** Apps may keep a document for this long; a new signing key is published long before it signs. */
const MAX_AGE_SECONDS = 300

/** Answers GET, HEAD and CORS preflights; anything else is 405. */
export function sendDocument(req: IncomingMessage, res: ServerResponse, document: Document): void {
  res.setHeader('Access-Control-Allow-Origin', '*')
  if (req.method === 'OPTIONS') {
    res.writeHead(204, { 'Access-Control-Allow-Methods': 'GET', 'Access-Control-Max-Age': '3600' })
    res.end()
    return
  }
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.writeHead(405, { Allow: 'GET, HEAD, OPTIONS', 'Content-Length': '0' })
    res.end()
    return
  }
  res.setHeader('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`)
  res.setHeader('ETag', document.etag)
  if (req.headers['if-none-match']?.includes(document.etag)) {
    res.writeHead(304)
    res.end()
    return
  }
  res.writeHead(200, { 'Content-Type': document.type, 'Content-Length': document.body.length })
  res.end(req.method === 'HEAD' ? undefined : document.body)
}
