/** The part of the configuration that says by which header apps show certificates (RFC 8705). Read by env.ts; other rooms take its types alone. */
import type { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { certificatesIn } from './pem'

export const certificatesShape = {
  /** With `cert` in its name: whatever else a header means, it is not taken for a certificate, and not away from its readers. */
  CLIENT_CERTIFICATE_HEADER: z
    .string()
    .toLowerCase()
    .regex(
      /^(?!x-gatehouse-)(?=.{4,60}$)(?=.*cert)[a-z0-9]+(-[a-z0-9]+)*$/,
      'must be the name of a header with cert in it, such as client-cert',
    )
    .optional(),
  CLIENT_CERTIFICATE_CA: z.string().optional(),
  CLIENT_CERTIFICATE_ORIGIN: z.string().optional(),
}

export interface CertificateSettings {
  /** In which a trusted proxy hands over the certificate of whoever called it, lower case; undefined: nobody shows any. */
  header: string | undefined
  /** Who may vouch for apps (`tls_client_auth`); none: apps are known by certificates of their own alone. */
  authorities: X509Certificate[]
  /** Where the proxy asks for certificates, when it is not the public origin; apps find it in discovery. */
  origin: string | undefined
}

type Raw = z.infer<z.ZodObject<typeof certificatesShape>>

/** The authorities in a text of PEM blocks, with what is written between them; null when any block is something else or cut off. */
function authoritiesIn(text: string): X509Certificate[] | null {
  try {
    const { certificates: found, rest } = certificatesIn(text)
    return !rest.includes('-----') && found.length > 0 && found.every(({ ca }) => ca) ? found : null
  } catch {
    return null
  }
}

/**
 * @param proxies whether any is trusted
 * @param url the public origin
 * @param missing called with a sentence for whatever does not fit
 */
export function readCertificates(
  raw: Raw,
  { proxies, url }: { proxies: boolean; url: string },
  missing: (sentence: string) => void,
): CertificateSettings {
  const { CLIENT_CERTIFICATE_HEADER: header, CLIENT_CERTIFICATE_CA: ca, CLIENT_CERTIFICATE_ORIGIN: at } = raw
  if (header && !proxies)
    missing(
      'CLIENT_CERTIFICATE_HEADER counts from trusted proxies alone, and TRUSTED_PROXIES names none: name the proxy that asks apps for their certificates.',
    )
  for (const [name, value] of Object.entries({ CLIENT_CERTIFICATE_CA: ca, CLIENT_CERTIFICATE_ORIGIN: at }))
    if (value && !header)
      missing(`${name} is for certificates, and nothing says how they come: set CLIENT_CERTIFICATE_HEADER.`)
  const authorities = ca ? authoritiesIn(ca) : []
  if (!authorities)
    missing('CLIENT_CERTIFICATE_CA must hold certificates of authorities (CA:TRUE), as PEM, and no other.')
  const parsed = at && URL.canParse(at) ? new URL(at) : null
  const secure = parsed?.protocol === 'https:' || parsed?.protocol === new URL(url).protocol
  if (at && (parsed?.href !== `${parsed?.origin}/` || !secure))
    missing(
      'CLIENT_CERTIFICATE_ORIGIN must be an origin such as https://apps.id.example.com, without a path, and as secure as GATEHOUSE_URL.',
    )
  const origin = parsed && parsed.origin !== url ? parsed.origin : undefined
  return { header, authorities: authorities ?? [], origin }
}
