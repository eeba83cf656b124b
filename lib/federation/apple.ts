/** Apple's ways: the client secret is a JWT of our own, and the name comes once, beside the code. */
import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import { z } from 'zod'
import { nowSeconds } from '../base/clock'
import type { ProviderSettings } from '../base/env'

const LIFE_SECONDS = 3600
const RENEW_SECONDS = 300

const secrets = new Map<string, { secret: string; until: number }>()

/**
 * The client secret: a JWT signed with the team's key (ES256), good for an hour and made anew before it is over. Apple
 * takes up to half a year; a short one is worth little to whoever finds it.
 * @param audience Apple's issuer
 */
export async function appleSecret({ clientId, apple }: ProviderSettings, audience: string): Promise<string> {
  if (!apple) throw new Error('no key of Apple')
  const at = nowSeconds()
  const id = `${apple.teamId} ${apple.keyId} ${clientId} ${audience} ${apple.privateKey}`
  const known = secrets.get(id)
  if (known && known.until - RENEW_SECONDS > at && known.until - LIFE_SECONDS <= at) return known.secret
  const secret = await new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: apple.keyId })
    .setIssuer(apple.teamId)
    .setSubject(clientId)
    .setAudience(audience)
    .setIssuedAt(at)
    .setExpirationTime(at + LIFE_SECONDS)
    .sign(createPrivateKey(apple.privateKey))
  secrets.set(id, { secret, until: at + LIFE_SECONDS })
  return secret
}

const user = z.object({
  name: z.object({ firstName: z.string().optional(), lastName: z.string().optional() }).optional(),
})

/**
 * The name that Apple's page posts beside the code, at the first consent only. Its address is left alone: it is not
 * signed, and the one in the ID token is.
 */
export function appleName(posted: string | undefined): { given_name?: string; family_name?: string } {
  let value: unknown = null
  try {
    value = JSON.parse(posted ?? '')
  } catch {
    return {}
  }
  const { name } = user.safeParse(value).data ?? {}
  return { given_name: name?.firstName, family_name: name?.lastName }
}
