/** Whom a certificate is for, as apps are registered with it (RFC 8705 section 2.1.2): read strictly, compared exactly. Pure. */
import { createPublicKey, type JsonWebKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { canonicalIp } from '../base/caller'

export const CERTIFICATE_METHODS = ['tls_client_auth', 'self_signed_tls_client_auth'] as const

export const isCertificateMethod = (authMethod: string): boolean =>
  CERTIFICATE_METHODS.some((one) => one === authMethod)

/** What an app may be known by, and how its metadata calls that. */
export const SUBJECTS = {
  dn: 'tls_client_auth_subject_dn',
  dns: 'tls_client_auth_san_dns',
  uri: 'tls_client_auth_san_uri',
  ip: 'tls_client_auth_san_ip',
  email: 'tls_client_auth_san_email',
} as const
type Kind = keyof typeof SUBJECTS
const KINDS = Object.keys(SUBJECTS) as Kind[]

/** Parts of a distinguished name, that of the person or thing first; each has its attributes and their values. */
type Name = [type: string, value: string][][]

const TYPE = /\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)=\s*/y
/** RFC 4514 section 2.4: a character that means nothing, one that is escaped, or a byte by its number. */
const CHARACTER = /\\([\s"#+,;<=>\\])|\\([0-9A-Fa-f]{2})|([^"+,;<>\\\p{Cc}])/uy
const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** Reads the attribute at a place of a text; null where there is none. */
function attributeAt(text: string, from: number): { type: string; value: string; end: number } | null {
  TYPE.lastIndex = from
  const type = TYPE.exec(text)?.[1]
  if (!type) return null
  const bytes: Buffer[] = []
  let end = TYPE.lastIndex
  // Without spaces at its end, but for those that are escaped.
  let kept = 0
  for (CHARACTER.lastIndex = end; ; end = CHARACTER.lastIndex) {
    const found = CHARACTER.exec(text)
    if (!found) break
    const [, escaped, byte, plain] = found
    // A value that begins so is written as its bytes (section 2.4): nobody reads those.
    if (plain === '#' && bytes.length === 0) return null
    bytes.push(byte ? Buffer.from(byte, 'hex') : Buffer.from(escaped ?? plain ?? ''))
    if (plain !== ' ') kept = bytes.length
  }
  try {
    return kept > 0 ? { type, value: UTF8.decode(Buffer.concat(bytes.slice(0, kept))), end } : null
  } catch {
    return null
  }
}

/** A distinguished name as RFC 4514 writes it; null when the text is none. */
function readName(text: string): Name | null {
  const name: Name = [[]]
  for (let at = 0; ; at++) {
    const found = attributeAt(text, at)
    if (!found) return null
    name.at(-1)?.push([found.type, found.value])
    at = found.end
    if (at === text.length) return name
    if (text[at] === ',') name.push([])
    else if (text[at] !== '+') return null
  }
}

/** The same name in one way alone: attributes of a part have no order, and their names no letter case. */
const sameName = (name: Name): string =>
  JSON.stringify(name.map((part) => part.map(([type, value]) => `${type.toLowerCase()}=${value}`).sort()))

const escaped = (value: string): string =>
  value
    .replace(/["+,;<>\\]/g, '\\$&')
    .replace(/^[ #]| $/g, '\\$&')
    .replace(/\p{Cc}/gu, (c) => `\\${(c.codePointAt(0) ?? 0).toString(16).padStart(2, '0').toUpperCase()}`)

const writeName = (name: Name): string =>
  name.map((part) => part.map(([type, value]) => `${type}=${escaped(value)}`).join('+')).join(',')

/** What OpenSSL calls as something else is called but for letter case, which names of attributes do not have here. */
const ALIKE: Record<string, string> = { uid: '0.9.2342.19200300.100.1.44', Mail: '1.3.6.1.7' }

/** Node writes a part a line, the widest first, with the same escapes. */
function nameOf({ subject }: X509Certificate): Name | null {
  const lines = subject ? subject.split('\n').reverse() : []
  const parts = lines.map((line) => readName(line))
  return parts.length > 0 && parts.every((part) => part?.length === 1)
    ? parts
        .flatMap((part) => part ?? [])
        .map((part) => part.map(([type, value]) => [ALIKE[type] ?? type, value]))
    : null
}

const NODES: Record<string, Kind> = { DNS: 'dns', URI: 'uri', 'IP Address': 'ip', email: 'email' }
/** One alternative name as Node writes it: what could be taken for more than one is a string of JSON. */
const ALTERNATIVE = /([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y

function alternativesOf(certificate: X509Certificate): [Kind, string][] {
  // Null where they cannot be read, whatever the types say.
  const text = certificate.subjectAltName ?? ''
  const found: [Kind, string][] = []
  for (ALTERNATIVE.lastIndex = 0; ALTERNATIVE.lastIndex < text.length; ) {
    const [, node = '', value = ''] = ALTERNATIVE.exec(text) ?? []
    if (!node) return []
    const kind = NODES[node]
    if (!kind) continue
    try {
      found.push([kind, value.startsWith('"') ? String(JSON.parse(value)) : value])
    } catch {
      return []
    }
  }
  return found
}

/** By what a certificate could be registered, as `certificateSubject` has it. */
export function subjectsOf(certificate: X509Certificate): string[] {
  const name = nameOf(certificate)
  const others = alternativesOf(certificate).map(([kind, value]) => `${kind}:${value}`)
  return [...(name ? [`dn:${writeName(name)}`] : []), ...others]
}

const SAME: Record<Kind, (value: string) => string | null> = {
  dn: (value) => {
    const name = readName(value)
    return name && sameName(name)
  },
  dns: (value) =>
    /^(?!.*\.\.)[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?$/i.test(value) ? value.toLowerCase() : null,
  uri: (value) => (URL.canParse(value) ? value : null),
  ip: (value) => (isIP(value) > 0 ? canonicalIp(value) : null),
  email: (value) => (/^[^\s@]+@[^\s@]+$/.test(value) ? value : null),
}

/** Whether the certificate is for what the app is registered with, under the name that metadata has for that. */
export function isFor(certificate: X509Certificate, property: string, expected: string): boolean {
  const kind = KINDS.find((one) => SUBJECTS[one] === property)
  const wanted = kind && SAME[kind](expected)
  if (!kind || !wanted) return false
  if (kind === 'dn') {
    const name = nameOf(certificate)
    return name !== null && sameName(name) === wanted
  }
  return alternativesOf(certificate).some(([is, value]) => is === kind && SAME[kind](value) === wanted)
}

const split = (subject: string): [kind: string, value: string] => {
  const at = subject.indexOf(':')
  return [subject.slice(0, Math.max(0, at)), subject.slice(at + 1)]
}

/** Why this names nobody, or null. */
export function subjectProblem(subject: string): string | null {
  const [said, value] = split(subject)
  const kind = KINDS.find((one) => one === said)
  if (!kind) return `must begin with one of ${KINDS.map((one) => `${one}:`).join(' ')}`
  if (SAME[kind](value) !== null) return null
  return kind === 'dn'
    ? 'must be a distinguished name (RFC 4514) such as dn:CN=reports,O=Example, with nothing as #hex'
    : `must name one ${kind} as the certificate has it, without wildcards`
}

/** The metadata that keeps it (RFC 8705 section 2.1.2), and backwards. */
export function subjectMetadata(subject: string): Record<string, string> {
  const [kind, value] = split(subject)
  return { [SUBJECTS[kind as Kind]]: value }
}

export function subjectIn(metadata: Record<string, unknown>): string | undefined {
  const kind = KINDS.find((one) => metadata[SUBJECTS[one]] !== undefined)
  return kind && `${kind}:${metadata[SUBJECTS[kind]]}`
}

/** Why an app cannot prove itself by certificates of its own in these keys (RFC 8705 section 2.2.2); null: it can. */
export function certifiedKeysProblem(keys: Record<string, unknown>[]): string | null {
  const certified = keys.filter(({ x5c }) => x5c !== undefined)
  if (certified.length === 0) return 'must hold a key with its certificate (x5c)'
  for (const { x5c, ...key } of certified) {
    try {
      const [own] = x5c as string[]
      const { publicKey } = new X509Certificate(Buffer.from(String(own), 'base64'))
      if (publicKey.equals(createPublicKey({ key: key as JsonWebKey, format: 'jwk' }))) continue
    } catch {
      // Said below.
    }
    return 'must have in x5c the certificate of the very key, as base64 of DER'
  }
  return null
}
