/** The built scripts, styles and fonts under /_next/static: from memory, compressed at build time. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import path from 'node:path'

const TYPES: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}

interface Entry {
  file: string
  type: string
  encodings: Map<string, string>
}

const PREFIX = '/_next/static/'

/** Serves the files of `folder`; only what was there at the start, by exact name. */
export function staticFiles(
  folder: string,
): (req: IncomingMessage, res: ServerResponse, path: string) => boolean {
  const entries = new Map<string, Entry>()
  const bytes = new Map<string, Buffer>()
  const walk = (at: string) => {
    for (const name of readdirSync(at)) {
      const file = path.join(at, name)
      if (statSync(file).isDirectory()) walk(file)
      else if (!name.endsWith('.map') && !name.endsWith('.br') && !name.endsWith('.gz')) {
        const url = PREFIX + path.relative(folder, file).split(path.sep).map(encodeURIComponent).join('/')
        const type = TYPES[path.extname(name)] ?? 'application/octet-stream'
        entries.set(url, { file, type, encodings: new Map() })
      }
    }
  }
  walk(folder)
  for (const entry of entries.values()) {
    for (const [encoding, suffix] of [
      ['br', '.br'],
      ['gzip', '.gz'],
    ] as const) {
      if (statSync(entry.file + suffix, { throwIfNoEntry: false })) {
        entry.encodings.set(encoding, entry.file + suffix)
      }
    }
  }
  const read = (file: string): Buffer => {
    const found = bytes.get(file) ?? readFileSync(file)
    bytes.set(file, found)
    return found
  }

  return (req, res, pathname) => {
    const entry = entries.get(pathname) ?? entries.get(canonical(pathname))
    if (!entry || (req.method !== 'GET' && req.method !== 'HEAD')) return false
    const accepted = String(req.headers['accept-encoding'] ?? '')
    const encoding = ['br', 'gzip'].find((name) => entry.encodings.has(name) && accepts(accepted, name))
    const body = read((encoding && entry.encodings.get(encoding)) || entry.file)
    res.setHeader('Content-Type', entry.type)
    res.setHeader('Cache-Control', 'public, max-age=31536000, immutable')
    if (entry.encodings.size) res.setHeader('Vary', 'Accept-Encoding')
    if (encoding) res.setHeader('Content-Encoding', encoding)
    res.setHeader('Content-Length', body.length)
    res.end(req.method === 'HEAD' ? undefined : body)
    return true
  }
}

/** Browsers leave some characters of a file's name as they are, where we keep the encoded form. */
const canonical = (pathname: string): string =>
  pathname
    .split('/')
    .map((part) => {
      try {
        return encodeURIComponent(decodeURIComponent(part))
      } catch {
        return part
      }
    })
    .join('/')

const accepts = (header: string, name: string): boolean =>
  header.split(',').some((part) => {
    const [coding, q] = part.trim().split(/\s*;\s*q=/)
    return coding === name && q !== '0'
  })
