/** Certificates for tests, made as they are needed: of an authority, of an app, of somebody who made one up. */
import 'reflect-metadata'
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export interface Made {
  certificate: X509Certificate
  pem: string
  /** PKCS #8, as PEM. */
  key: string
  /** The public key with its certificate, as an app registers it. */
  jwk: Record<string, unknown>
  keys: webcrypto.CryptoKeyPair
  name: x509.Name
}

export interface Wanted {
  /** Parts of the subject, the widest first. */
  subject?: ConstructorParameters<typeof x509.Name>[0]
  names?: { type: 'dns' | 'url' | 'ip' | 'email'; value: string }[]
  /** Who signs it; left out: itself. */
  by?: Made
  authority?: boolean
  /** Seconds from now. */
  from?: number
  to?: number
  /** Extended key usages. */
  purposes?: string[]
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
x509.cryptoProvider.set(webcrypto as Crypto)

const at = (seconds: number): Date => new Date(Date.now() + seconds * 1000)

export async function newCertificate({
  subject = [{ CN: ['somebody'] }],
  names = [],
  by,
  authority = false,
  from = -3600,
  to = 86_400,
  purposes,
}: Wanted = {}): Promise<Made> {
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
  const name = new x509.Name(subject)
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: randomBytes(8).toString('hex'),
    subject: name,
    issuer: by?.name ?? name,
    notBefore: at(from),
    notAfter: at(to),
    publicKey: keys.publicKey as CryptoKey,
    signingKey: (by ?? { keys }).keys.privateKey as CryptoKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...(authority ? [new x509.BasicConstraintsExtension(true, undefined, true)] : []),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ...(purposes ? [new x509.ExtendedKeyUsageExtension(purposes)] : []),
    ],
  })
  const certificate = new X509Certificate(Buffer.from(made.rawData))
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  return {
    certificate,
    pem: certificate.toString(),
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    jwk: { ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] },
    keys,
    name,
  }
}

/** A certificate as proxies write it in a header. */
export const written = {
  /** RFC 9440. */
  rfc9440: ({ certificate }: Made): string => `:${certificate.raw.toString('base64')}:`,
  /** nginx, `$ssl_client_escaped_cert`. */
  escaped: ({ pem }: Made): string => encodeURIComponent(pem),
  /** Traefik. */
  bare: ({ certificate }: Made): string => certificate.raw.toString('base64'),
}
