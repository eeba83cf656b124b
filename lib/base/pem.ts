/** Certificates as files hold them (RFC 7468). */
import { X509Certificate } from 'node:crypto'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * The certificates in a text of PEM blocks, and what is left of it: other blocks, and what is written between them.
 * @throws where one cannot be read
 */
export const certificatesIn = (text: string): { certificates: X509Certificate[]; rest: string } => ({
  certificates: (text.match(CERTIFICATE) ?? []).map((block) => new X509Certificate(block)),
  rest: text.replace(CERTIFICATE, ''),
})
