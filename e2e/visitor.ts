/** A browser without a browser: speaks HTTP byte by byte, keeps cookies, and follows nothing by itself. */
import { randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { PORTAL } from './fixtures'
import { latestMail, mailsTo } from './mailbox'
import type { Person } from './people'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  /** Names and values as they came, in turn. */
  rawHeaders: string[]
  body: string
  /** Path and query when it leads to a place of ours, else as it came; empty when it leads nowhere. */
  location: string
}

export interface Place {
  /** What pages call the portal. */
  url: string
  /** Where it listens on this machine. */
  port: number
}

export const shared = (): Place => ({ url: PORTAL(), port: Number(new URL(PORTAL()).port) })

/** An address that no other visitor has. */
export const someAddress = (): string => {
  const [a = 0, b = 0] = randomBytes(2)
  return `198.19.${a}.${1 + (b % 254)}`
}

type Headers = Record<string, string | string[] | undefined>

export class Visitor {
  readonly cookies = new Map<string, string>()
  readonly place: Place
  readonly ip: string

  constructor(place: Place = shared(), ip = someAddress()) {
    this.place = place
    this.ip = ip
  }

  /** Another visitor at the same place with the same cookies. */
  copy(): Visitor {
    const twin = new Visitor(this.place)
    for (const [name, value] of this.cookies) twin.cookies.set(name, value)
    return twin
  }

  async send(method: string, path: string, headers: Headers = {}, body?: string | Buffer): Promise<Answer> {
    const { host } = new URL(this.place.url)
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const all: Headers = {
      host,
      'x-forwarded-for': this.ip,
      ...(cookie && { cookie }),
      ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
      ...headers,
    }
    for (const name in all) if (all[name] === undefined) delete all[name]
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port: this.place.port, method, path, headers: all, agent: false },
        (res) => {
          const chunks: Buffer[] = []
          res.on('data', (chunk) => chunks.push(chunk))
          res.once('error', reject)
          res.once('end', () => {
            this.#keep(res.headers['set-cookie'] ?? [])
            const location = res.headers.location ?? ''
            resolve({
              status: res.statusCode ?? 0,
              headers: res.headers,
              rawHeaders: res.rawHeaders,
              body: Buffer.concat(chunks).toString(),
              location: location.startsWith(this.place.url)
                ? location.slice(this.place.url.length)
                : location,
            })
          })
        },
      )
      sent.once('error', reject)
      sent.end(body)
    })
  }

  get(path: string, headers: Headers = {}): Promise<Answer> {
    return this.send('GET', path, headers)
  }

  /** As one of our own pages would post it, unless `headers` say otherwise. */
  post(path: string, fields: Record<string, string>, headers: Headers = {}): Promise<Answer> {
    return this.send(
      'POST',
      path,
      { origin: this.place.url, 'content-type': 'application/x-www-form-urlencoded', ...headers },
      String(new URLSearchParams(fields)),
    )
  }

  #keep(lines: string[]): void {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(';')
      const at = pair.indexOf('=')
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
      const gone = attributes.some((attribute) => /^\s*max-age=0$/i.test(attribute))
      if (gone || !value) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }

  /** Begins a sign-in and says its flow. */
  async begin(query = 'to=/account'): Promise<string> {
    const answer = await this.get(`/signin/start?${query}`)
    const flow = new URL(answer.location, this.place.url).searchParams.get('flow')
    if (!flow) throw new Error(`no sign-in begun: ${answer.status} ${answer.location}`)
    return flow
  }

  /** Fills in the sign-up page; what comes back is the answer to its form. */
  async submitSignUp(person: Person, headers: Headers = {}): Promise<{ flow: string; answer: Answer }> {
    const flow = await this.begin('to=/account&page=signup')
    return { flow, answer: await this.post('/signup/submit', { flow, ...person }, headers) }
  }

  /** Makes an account and leaves this visitor signed in. */
  async signUp(person: Person): Promise<void> {
    const before = (await mailsTo(person.email, this.place.url)).length
    const { flow } = await this.submitSignUp(person)
    const code = (await latestMail(person.email, before + 1, this.place.url)).codes[0] ?? ''
    const answer = await this.post('/verify/submit', { flow, code })
    if (answer.location !== '/account') throw new Error(`no sign-up: ${answer.status} ${answer.location}`)
  }

  async signIn(person: { email: string; password: string }): Promise<Answer> {
    const flow = await this.begin()
    return this.post('/signin/password', { flow, email: person.email, password: person.password })
  }

  /** Who this visitor is, by the session check. */
  async session(): Promise<{ status: number; userId?: string; sid?: string }> {
    const answer = await this.get('/api/session')
    return { status: answer.status, ...JSON.parse(answer.body) }
  }
}

/** Sends bytes as they are and gives the first answer's head and what came after it. */
export function sendRaw(port: number, text: string): Promise<{ status: number; head: string; body: string }> {
  return new Promise((resolve, reject) => {
    let got = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.setTimeout(15_000, () => socket.destroy(new Error(`no end of the answer: ${got}`)))
    socket.on('data', (chunk) => {
      got += chunk
    })
    socket.once('error', reject)
    socket.once('close', () => {
      const [head = '', ...rest] = got.split('\r\n\r\n')
      resolve({ status: Number(head.split(' ')[1] ?? 0), head, body: rest.join('\r\n\r\n') })
    })
  })
}
