/**
 * Certificates that apps show (mutual TLS, RFC 8705). The proxy ends TLS, so what comes here is a header of it, which
 * counts from trusted proxies alone (lib/base/caller.ts); the library does the rest.
 */
import { createHash, X509Certificate } from 'node:crypto'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { isCertificateMethod, isFor, subjectsOf } from './certificate-names'
import { stateOf } from './context'
import type { KoaContextWithOIDC } from './library'

// ── what was shown ───────────────────────────────────────────────────────────

export type Shown = { ok: true; certificate: X509Certificate } | { ok: false; problem: string }

/** A certificate of an RSA key of 8192 bits with a hundred names has half of it. */
const MOST_CHARACTERS = 12_000

/** Base64 of DER in one of the forms that proxies have: RFC 9440, bare, or PEM without its lines. */
const FORMS = [
  /^:([A-Za-z0-9+/]+={0,2}):$/,
  /^([A-Za-z0-9+/]+={0,2})$/,
  /^-----BEGINCERTIFICATE-----([A-Za-z0-9+/]+={0,2})-----ENDCERTIFICATE-----$/,
]

/** Without percent signs, and of PEM without lines. */
function unfolded(text: string): string {
  try {
    const plain = text.includes('%') ? decodeURIComponent(text) : text
    return plain.startsWith('-----BEGIN CERTIFICATE-----') ? plain.replace(/\s/g, '') : plain
  } catch {
    return ''
  }
}

/** The certificate in such a header; null where there is none. Two values come as one with a comma, which no form has. */
export function readCertificate(header: string | undefined): Shown | null {
  const text = header?.trim()
  // Proxies that write it always have nothing to write for most callers.
  if (!text || text === '::') return null
  const no = (problem: string): Shown => ({ ok: false, problem })
  if (text.length > MOST_CHARACTERS) return no('the client certificate is too long')
  if (text.includes(',')) return no('more than one client certificate came')
  const plain = unfolded(text)
  const base64 = FORMS.map((form) => form.exec(plain)?.[1]).find(Boolean)
  if (!base64) return no('the client certificate is in no form that is known')
  const der = Buffer.from(base64, 'base64')
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(der)
  } catch {
    return no('the client certificate cannot be read')
  }
  // Nothing behind it, and no other encoding within.
  if (!certificate.raw.equals(der)) return no('the client certificate cannot be read')
  if (!isGoodNow(certificate)) return no('the client certificate is expired, or not good yet')
  return { ok: true, certificate }
}

const isGoodNow = ({ validFrom, validTo }: X509Certificate): boolean =>
  Date.parse(validFrom) <= nowMs() && nowMs() < Date.parse(validTo)

const read = new WeakMap<Caller, Shown | null>()

/** What the caller showed, read once for each request. */
export function shownBy(caller: Caller): Shown | null {
  const known = read.get(caller)
  if (known !== undefined) return known
  const shown = readCertificate(caller.certificate)
  read.set(caller, shown)
  return shown
}

/** RFC 8705 section 3.1. */
export const thumbprint = ({ raw }: X509Certificate): string =>
  createHash('sha256').update(raw).digest('base64url')

// ── what the library asks ────────────────────────────────────────────────────

/** The certificate of this request. Why there is none that counts stands in the app's log. */
export function getCertificate(ctx: KoaContextWithOIDC): X509Certificate | undefined {
  const state = stateOf(ctx.req)
  const shown = shownBy(state.caller)
  if (shown?.ok) return shown.certificate
  if (shown) state.whyNot ??= shown.problem
  return undefined
}

/** RFC 5280 section 4.2.1.12: for TLS clients, or for anything. */
const FOR_CLIENTS = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0']

/** Whether one of the operator's authorities issued it, itself, for clients. */
export function isVouchedFor(certificate: X509Certificate): boolean {
  const { keyUsage: purposes } = certificate
  if (purposes?.length && !purposes.some((one) => FOR_CLIENTS.includes(one))) return false
  return env().certificates.authorities.some(
    (ca) => isGoodNow(ca) && certificate.checkIssued(ca) && certificate.verify(ca.publicKey),
  )
}

/** The library's feature: on while the operator says how certificates come. */
export function mutualTls() {
  const { header, authorities } = env().certificates
  const on = header !== undefined
  return {
    enabled: on,
    certificateBoundAccessTokens: on,
    selfSignedTlsClientAuth: on,
    tlsClientAuth: on && authorities.length > 0,
    // There always: a refresh token that is bound stays so when the rest is switched off.
    getCertificate,
    certificateAuthorized(ctx: KoaContextWithOIDC): boolean {
      const certificate = getCertificate(ctx)
      return certificate !== undefined && isVouchedFor(certificate)
    },
    certificateSubjectMatches(ctx: KoaContextWithOIDC, property: string, expected: string): boolean {
      const certificate = getCertificate(ctx)
      return certificate !== undefined && isFor(certificate, property, expected)
    },
  }
}

// ── what apps are registered with ────────────────────────────────────────────

/** Why no app can be registered so here; null: it can. */
export function certificatesProblem(app: {
  authMethod: string
  certificateBound: boolean
}): { field: 'authMethod' | 'certificateBound'; message: string } | null {
  const { header, authorities } = env().certificates
  const field = isCertificateMethod(app.authMethod) ? 'authMethod' : 'certificateBound'
  if (field === 'certificateBound' && !app.certificateBound) return null
  if (!header)
    return { field, message: 'no app can show a certificate here yet: set CLIENT_CERTIFICATE_HEADER' }
  if (app.authMethod === 'tls_client_auth' && authorities.length === 0)
    return { field, message: 'nobody vouches for certificates here: set CLIENT_CERTIFICATE_CA' }
  return null
}

// ── what whoever asks is told ────────────────────────────────────────────────

/** The address at which somebody sees which certificate of theirs arrives. */
export const CERTIFICATE_PATH = '/oidc/client-certificate'

export interface CertificateSeen {
  certificate: {
    /** As tokens name it that are bound to it. */
    'x5t#S256': string
    /** By what an app could be registered with it. */
    subjects: string[]
    /** One of the operator's authorities issued it. */
    vouched: boolean
    not_after: string
  } | null
  /** Why one that was shown does not count. */
  problem?: string
}

/** What arrived of the caller's own certificate; null while nobody can show any. */
export function certificateSeen(caller: Caller): CertificateSeen | null {
  if (!env().certificates.header) return null
  const shown = shownBy(caller)
  if (!shown?.ok) return { certificate: null, ...(shown && { problem: shown.problem }) }
  const { certificate } = shown
  return {
    certificate: {
      'x5t#S256': thumbprint(certificate),
      subjects: subjectsOf(certificate),
      vouched: isVouchedFor(certificate),
      not_after: new Date(certificate.validTo).toISOString(),
    },
  }
}
