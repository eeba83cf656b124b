/**
 * A small HTTP/1.1 client for load: one keep-alive connection, one request at a time, little work of its
 * own, so that the machine's cores are left to what is measured.
 */
import { connect } from 'node:net'
import { gunzipSync } from 'node:zlib'

const HEAD_END = Buffer.from('\r\n\r\n')

export class Connection {
  #target
  #socket = null
  #buffer = Buffer.alloc(0)
  #answer = null
  #waiting = null

  /** @param origin such as http://localhost:3000 */
  constructor(origin) {
    const { hostname, port, host } = new URL(origin)
    this.#target = { host: hostname, port: Number(port) }
    this.host = host
  }

  #open() {
    const socket = connect(this.#target)
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = null
      this.#fail(new Error('the connection was closed'))
    })
    this.#socket = socket
  }

  #fail(error) {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.reject(error)
  }

  /** Sends a request built by `requestText`; gives {status, headers (lower case), setCookies, body}. */
  send(text) {
    if (!this.#socket) this.#open()
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#answer = null
      this.#buffer = Buffer.alloc(0)
      this.#socket.write(text)
    })
  }

  #read(chunk) {
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, chunk]) : chunk
    if (!this.#answer && !this.#head()) return
    const answer = this.#answer
    const { length } = answer
    if (length === 'chunked') {
      const body = unchunk(this.#buffer)
      if (body === null) return
      return this.#done(answer, body)
    }
    if (this.#buffer.length >= length) this.#done(answer, this.#buffer.subarray(0, length))
  }

  #head() {
    const end = this.#buffer.indexOf(HEAD_END)
    if (end < 0) return false
    const lines = this.#buffer.latin1Slice(0, end).split('\r\n')
    const status = Number(lines[0].slice(9, 12))
    const headers = {}
    const setCookies = []
    for (let i = 1; i < lines.length; i++) {
      const at = lines[i].indexOf(':')
      const name = lines[i].slice(0, at).toLowerCase()
      const value = lines[i].slice(at + 1).trim()
      if (name === 'set-cookie') setCookies.push(value)
      else headers[name] = value
    }
    this.#buffer = this.#buffer.subarray(end + 4)
    const empty = status === 204 || status === 304
    const chunked = headers['transfer-encoding'] === 'chunked'
    const length = empty ? 0 : chunked ? 'chunked' : Number(headers['content-length'] ?? 0)
    this.#answer = { status, headers, setCookies, length }
    return true
  }

  #done(answer, body) {
    const waiting = this.#waiting
    this.#waiting = null
    if (answer.headers.connection === 'close') this.close()
    waiting?.resolve({
      status: answer.status,
      headers: answer.headers,
      setCookies: answer.setCookies,
      body: (answer.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString('utf8'),
    })
  }

  close() {
    const socket = this.#socket
    this.#socket = null
    socket?.destroy()
  }

  get(path, headers) {
    return this.send(requestText('GET', this.host, path, headers))
  }

  post(path, headers, body, type = 'application/x-www-form-urlencoded') {
    return this.send(requestText('POST', this.host, path, { ...headers, 'content-type': type }, body))
  }
}

/** The whole body of a chunked answer, or null while it is not complete. */
function unchunk(buffer) {
  if (buffer.length < 5 || buffer.latin1Slice(buffer.length - 5) !== '0\r\n\r\n') return null
  const parts = []
  for (let at = 0; ; ) {
    const end = buffer.indexOf('\r\n', at)
    if (end < 0) return null
    const size = Number.parseInt(buffer.latin1Slice(at, end), 16)
    if (size === 0) return Buffer.concat(parts)
    const next = end + 2 + size + 2
    if (next > buffer.length) return null
    parts.push(buffer.subarray(end + 2, next - 2))
    at = next
  }
}

/** A request as text; made once where it is sent again and again. */
export function requestText(method, host, path, headers = {}, body = '') {
  let text = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`
  for (const name in headers) if (headers[name]) text += `${name}: ${headers[name]}\r\n`
  if (method === 'POST') text += `content-length: ${Buffer.byteLength(body)}\r\n`
  return `${text}\r\n${body}`
}

/** Cookies of one browser: takes Set-Cookie lines, gives a Cookie header. */
export class Cookies {
  #values = new Map()

  take(lines) {
    for (const line of lines) {
      const [pair] = line.split(';', 1)
      const at = pair.indexOf('=')
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
      if (value === '' || /;\s*(max-age=0|expires=Thu, 01 Jan 1970)/i.test(line)) this.#values.delete(name)
      else this.#values.set(name, value)
    }
  }

  forget(name) {
    this.#values.delete(name)
  }

  get(name) {
    return this.#values.get(name)
  }

  /** The Cookie header with these names, or all. */
  header(...names) {
    const wanted = names.length ? names.filter((name) => this.#values.has(name)) : [...this.#values.keys()]
    return wanted.map((name) => `${name}=${this.#values.get(name)}`).join('; ')
  }
}
