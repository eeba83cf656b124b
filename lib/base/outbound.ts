/**
 * Requests to addresses that other people registered (server-side request forgery: OWASP ASVS 13.2.4, RFC 9700 section
 * 4.15). The name is resolved once and what came out is judged and connected to, so that a second answer of its name
 * server counts for nothing; no redirect is followed; of an answer's body no more is read than was asked for; all of it has one deadline.
 */
import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import { type ClientRequest, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import ipaddr from 'ipaddr.js'
import proxyaddr from 'proxy-addr'

const DEADLINE_MS = 5000
/** Whoever has more to say than this in its headers says nothing that we need. */
const MAX_HEADER_BYTES = 16_384

const GIVEN_OUT = ipaddr.parseCIDR('2000::/3')

type Resolve = (host: string) => Promise<LookupAddress[]>

const lookupAll = promisify(dnsLookup)
/** What the machine says of a name. It occupies one of four threads until its name server answers, whoever waits for it. */
export const resolveAll: Resolve = (host) => lookupAll(host, { all: true, verbatim: true })

export interface Outbound {
  /** Networks that are not public and allowed all the same: CIDRs, or loopback, linklocal, uniquelocal. */
  privateNetworks: readonly string[]
  signal?: AbortSignal
  deadlineMs?: number
  /** In the place of `resolveAll`. */
  resolve?: Resolve
}

/** What must not be connected to: the message names no address, since operators may show it. */
export class ForbiddenAddress extends Error {
  override name = 'ForbiddenAddress'
}

/** True for addresses of the public internet, and those of the networks that the operator allows. */
export function mayConnect(address: string, privateNetworks: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return false
  // An IPv4 address that is dressed as one of IPv6 is judged as what it is.
  const judged = ipaddr.process(address)
  // Of IPv6 2000::/3 alone is given out (RFC 4291 section 2.4); what lies outside may be IPv4 in yet another dress.
  const given = judged.kind() === 'ipv4' || judged.match(GIVEN_OUT)
  return (
    (given && judged.range() === 'unicast') || proxyaddr.compile([...privateNetworks])(judged.toString(), 0)
  )
}

/**
 * Posts a form and gives the status of the answer.
 * @throws ForbiddenAddress when the name leads nowhere we may go; Error when there is no answer in time
 */
export async function postForm(
  target: string,
  fields: Record<string, string>,
  { privateNetworks, signal, deadlineMs = DEADLINE_MS, resolve = resolveAll }: Outbound,
): Promise<number> {
  const url = new URL(target)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new ForbiddenAddress('not an address of the web')
  const until = within(deadlineMs, signal)
  const allowed = await judged(url, privateNetworks, resolve, until)
  return await send(url, new URLSearchParams(fields).toString(), allowed, until)
}

/**
 * Gets a small document. https alone, but for networks that the operator allows.
 * @returns its text and media type with the status, `text` empty unless that is 200; a redirect is an answer like any other
 * @throws ForbiddenAddress when the name leads nowhere we may go; Error when there is no answer in time, or too long a one
 */
export async function getDocument(
  target: string,
  maxBytes: number,
  { privateNetworks, signal, deadlineMs = DEADLINE_MS, resolve = resolveAll }: Outbound,
): Promise<{ status: number; text: string; type: string }> {
  const url = new URL(target)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new ForbiddenAddress('not an address of the web')
  const until = within(deadlineMs, signal)
  const allowed = await judged(url, privateNetworks, resolve, until)
  // What travels in the clear is anybody's to change, but where the operator says otherwise.
  if (url.protocol === 'http:' && allowed.some(({ address }) => mayConnect(address, [])))
    throw new ForbiddenAddress('not https')
  return new Promise((done, fail) => {
    const asked = open(url, 'GET', { Accept: 'application/json' }, allowed, until)
    asked.on('error', fail)
    asked.on('response', (answer) => {
      const status = answer.statusCode ?? 0
      const type = (answer.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
      const chunks: Buffer[] = []
      let size = 0
      answer.on('error', fail)
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxBytes) asked.destroy(new Error(`it is longer than ${maxBytes} bytes`))
        else chunks.push(chunk)
      })
      answer.on('end', () => done({ status, text: Buffer.concat(chunks).toString('utf8'), type }))
      if (status === 200) return
      done({ status, text: '', type })
      asked.destroy()
    })
    asked.end()
  })
}

function within(deadlineMs: number, signal: AbortSignal | undefined): AbortSignal {
  const deadline = AbortSignal.timeout(deadlineMs)
  return signal ? AbortSignal.any([signal, deadline]) : deadline
}

/** The addresses behind a name that may be connected to. */
async function judged(
  url: URL,
  privateNetworks: readonly string[],
  resolve: Resolve,
  until: AbortSignal,
): Promise<LookupAddress[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const family = isIP(host)
  const found = family ? [{ address: host, family }] : await orAborted(resolve(host), until)
  const allowed = found.filter(({ address }) => mayConnect(address, privateNetworks))
  if (allowed.length === 0) throw new ForbiddenAddress('its address is not public, and not allowed here')
  return allowed
}

async function orAborted<T>(work: Promise<T>, until: AbortSignal): Promise<T> {
  until.throwIfAborted()
  let end: (() => void) | undefined
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        end = () => reject(until.reason)
        until.addEventListener('abort', end)
      }),
    ])
  } finally {
    if (end) until.removeEventListener('abort', end)
  }
}

function send(url: URL, body: string, allowed: LookupAddress[], until: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': Buffer.byteLength(body),
    }
    const request = open(url, 'POST', headers, allowed, until)
    request.on('response', (response) => {
      resolve(response.statusCode ?? 0)
      response.destroy()
    })
    request.on('error', reject)
    request.end(body)
  })
}

function open(
  url: URL,
  method: 'GET' | 'POST',
  headers: Record<string, string | number>,
  allowed: LookupAddress[],
  until: AbortSignal,
): ClientRequest {
  return (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method,
    agent: false,
    signal: until,
    maxHeaderSize: MAX_HEADER_BYTES,
    headers: { ...headers, Connection: 'close' },
    // What was judged is what is connected to; a literal address is not looked up at all.
    lookup: (_host, options, done) => {
      const [first] = allowed
      if (options.all) done(null, allowed)
      else done(null, first?.address ?? '', first?.family)
    },
  })
}
