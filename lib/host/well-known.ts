/** The well-known addresses of an account: where browsers and password managers look without being told. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { env } from '../base/env'
import { managementMetadata, managementMetadataPath } from '../oidc'

const MAX_AGE_SECONDS = 3600

/** Where people change their password and look after their passkeys. */
const SECURITY = '/account/security'

const DOCUMENTS: Partial<Record<string, () => object>> = {
  /** Origins that may use the portal's passkeys (WebAuthn Level 3 section 5.11.1): its own, and related ones. */
  '/.well-known/webauthn': () => ({ origins: [env().url, ...env().webauthnOrigins] }),
  /** Where a password manager sends somebody who wants a passkey (W3C passkey endpoints). */
  '/.well-known/passkey-endpoints': () => ({
    enroll: `${env().url}${SECURITY}#passkeys`,
    manage: `${env().url}${SECURITY}#passkeys`,
  }),
  /** Who makes tokens for the API that manages apps (RFC 9728). */
  [managementMetadataPath]: managementMetadata,
}

/** W3C "A Well-Known URL for Changing Passwords". Whoever is not signed in gets there by way of the sign-in. */
const CHANGE_PASSWORD = '/.well-known/change-password'

/**
 * Answers from memory, whoever asks; the same for everybody, so anybody may keep it for an hour.
 * @param headers what every answer carries (`inertHeaders`)
 * @returns false when `pathname` is none of them. Anything else below /.well-known/ must stay 404: that is how
 *   a browser learns that a site tells the truth here.
 */
export function serveWellKnown(
  req: IncomingMessage,
  res: ServerResponse,
  pathname: string,
  headers: Record<string, string>,
): boolean {
  const make = DOCUMENTS[pathname]
  if (!make && pathname !== CHANGE_PASSWORD) return false
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.writeHead(405, { ...headers, Allow: 'GET, HEAD', 'Content-Length': '0' }).end()
    return true
  }
  const all = { ...headers, 'Cache-Control': `public, max-age=${MAX_AGE_SECONDS}` }
  if (!make) {
    res.writeHead(303, { ...all, Location: `${SECURITY}#password`, 'Content-Length': '0' }).end()
    return true
  }
  const text = JSON.stringify(make())
  res.writeHead(200, {
    ...all,
    'Access-Control-Allow-Origin': '*',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  })
  res.end(req.method === 'HEAD' ? undefined : text)
  return true
}
