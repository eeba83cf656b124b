/**
 * Passwords from known leaks, asked of a "Have I Been Pwned" range service by k-anonymity: five hex
 * digits of the SHA-1 leave the house, padding hides how many answers there were. Off by default
 * (PASSWORD_HIBP=on). Fails open: a service that is away must not stop people from signing up.
 */
import { createHash } from 'node:crypto'
import { env } from '../base/env'
import { log } from '../base/log'

const TIMEOUT_MS = 1500
/** A padded answer has about 40 KB. */
const MAX_ANSWER_BYTES = 512 * 1024

/** True when the password is known to be in a leak; false when not, when off, or when nobody answers. */
export async function isBreached(plain: string): Promise<boolean> {
  const base = env().hibpUrl
  if (!base) return false
  const digest = createHash('sha1').update(plain, 'utf8').digest('hex').toUpperCase()
  const suffix = digest.slice(5)
  try {
    const response = await fetch(`${base}/range/${digest.slice(0, 5)}`, {
      headers: { 'Add-Padding': 'true', 'User-Agent': 'gatehouse' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (!response.ok) throw new Error(`status ${response.status}`)
    for (const line of (await bounded(response)).split('\n')) {
      const [found, times] = line.trim().split(':')
      // Padding lines count zero times.
      if (found?.toUpperCase() === suffix && Number(times) > 0) return true
    }
    return false
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'leaked-password service did not answer; not asked')
    return false
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new Error('answer too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('latin1')
}
