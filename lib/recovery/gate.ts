/** What every verb of the room asks first, and who asked, as it travels with what is owed. */
import type { Caller } from '../base/caller'
import { env } from '../base/env'
import { bucket, budget, mailbox } from '../base/limits'
import { ok, type Result } from '../base/refusals'
import { hmac } from '../base/secrets'
import * as users from '../users'

const HOUR = 3600
/** A mailbox's day, in hours' worth of messages. */
const DAY_IN_HOURS = 4
/** All requests of the portal in a minute: the most that any flood can cost. */
const REQUESTS_PER_MINUTE = 600

/** One leaky bucket for every request that costs something; the login's. */
export const spendRequest = (caller: Caller): Promise<Result> =>
  bucket(caller.ipPrefix, { capacity: env().limits.requestsBurst, perMinute: env().limits.requestsPerMinute })

/**
 * Judges an address that anybody may type, and spends what asking costs: per network, per mailbox (hour and
 * day, durable), and in all. The same for every address, before anyone looks whether it is somebody's (ENU3).
 * @returns the normalised address; refusal `invalid_email`, `rate_limited`
 * @throws StoresDown
 */
export async function askedFor(name: string, typed: string, caller: Caller): Promise<Result<string>> {
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const email = users.normalizeEmail(typed)
  if (!email.ok) return { ok: false, refusal: { ...email.refusal, field: 'email' } }
  const { mailsPerRecipientHour, requestsBurst, requestsPerMinute } = env().limits
  const to = `${name}-to:${mailbox(email.value)}`
  const steps: (() => Promise<Result<unknown>>)[] = [
    () =>
      bucket(
        caller.ipPrefix,
        { capacity: requestsBurst, perMinute: Math.max(1, requestsPerMinute / 10) },
        `${name}-ip`,
      ),
    () => budget(to, { max: mailsPerRecipientHour, windowSeconds: HOUR }),
    () => budget(`${to}:day`, { max: DAY_IN_HOURS * mailsPerRecipientHour, windowSeconds: 24 * HOUR }),
    () => bucket('all', { capacity: REQUESTS_PER_MINUTE, perMinute: REQUESTS_PER_MINUTE }, `${name}-all`),
  ]
  for (const spend of steps) {
    const spent = await spend()
    if (!spent.ok) return spent
  }
  return ok(email.value)
}

/** A caller without what only the running request may know. */
export type Asked = Pick<Caller, 'requestId' | 'ip' | 'ipPrefix' | 'userAgent' | 'locale'>

export const asked = ({ requestId, ip, ipPrefix, userAgent, locale }: Caller): Asked => ({
  requestId,
  ip,
  ipPrefix,
  userAgent,
  locale,
})

export const callerOf = (who: Asked): Caller => ({ ...who, place: null, cookies: {}, local: false })

/** Six digits that the asker reads to their contacts, so that each vouches for this request and no other. */
export const codeOf = (tokenHash: string): string =>
  (Buffer.from(hmac('recovery-code', tokenHash), 'base64url').readUInt32BE(0) % 1_000_000)
    .toString()
    .padStart(6, '0')
