/**
 * One-time codes. A code is bound to its purpose, its key (whose), its destination and the browser's
 * attempt that asked for it (OTP2); at rest there is an HMAC of all five, never the code (OTP3). The
 * newest code counts; five tries, ten minutes, once (OTP1). Tries are counted twice: in Redis with the
 * code, and in Postgres, so that no flush or rollback of Redis buys another guess (RL6).
 */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { randomDigits, randomToken } from '../base/ids'
import { key as redisKeyOf } from '../base/keys'
import { budget, giveBack, mailbox, refund } from '../base/limits'
import { ok, type Result, refuse } from '../base/refusals'
import { hmac, hmacs } from '../base/secrets'
import { beforeSending } from '../notify'
import { keptBy, PURPOSES, type Purpose, subject, type Whose } from './purposes'
import { answered, RESEND_SECONDS, spendSending } from './sending'
import * as store from './store'

/** Guesses for one key in an hour, over all its codes: two codes' worth. */
const GUESSES_PER_KEY_HOUR = 10
/** Guesses at codes for one recipient in a day: a sign-up begun anew is a new key, but not a new mailbox. */
const GUESSES_PER_RECIPIENT_DAY = 30
/** Of these, from one client network: nobody uses up another's day from one place. */
const GUESSES_PER_NETWORK_DAY = 15
/** What all browsers that the account knows may guess on their own, together; what is beyond is the recipient's. */
const GUESSES_PER_KNOWN_DAY = 30
const HOUR = 3600
/**
 * A mail server may be down for so long without a code being lost: as long as a sign-in may take. The code's own
 * life begins when it is sent (REL7), and nobody can know it before.
 */
const SEND_WITHIN_MS = HOUR * 1000

/** Its key is the user's id (for a sign-up, the id it will have), its destination normalized. */
export interface Begin extends Whose {
  locale: string
  /** The flow that asked; the code is of no use in any other. */
  binding: string
  caller: Caller
  /** The destination is somebody else's already: its owner is told, and no code will ever match. */
  decoy?: boolean
  link: (code: string) => string
  /** The user whose history it belongs to, where there is one. */
  userId?: string | null
}

export interface Sent {
  resendInSeconds: number
  expiresInSeconds: number
}

export interface Guess extends Whose {
  binding: string
  code: string
  caller?: Caller
  userId?: string | null
}

type Bound = Pick<Guess, 'purpose' | 'key' | 'to' | 'binding'>

/** JSON keeps the parts apart, whatever they contain. */
const parts = ({ purpose, key, to, binding }: Bound, code: string): string =>
  JSON.stringify([purpose, key, to.toLowerCase(), binding, code])

const sealed = (bound: Bound, code: string): string => hmac('otp', parts(bound, code))
/** What a code may be kept as: a secret that was rotated since it was sent still knows it (KEY2). */
const allSealed = (bound: Bound, code: string): string[] => hmacs('otp', parts(bound, code))

const redisKey = (code: Pick<Bound, 'purpose' | 'key' | 'binding'>): string =>
  redisKeyOf(PURPOSES[code.purpose].redisKey, keptBy(code))

/**
 * What guesses are counted by: whose code it is, whose mailbox, from which network, and whether the account knows the
 * browser, which has tries of its own. A stranger's guesses keep nobody from theirs in a browser they have used before.
 */
const triesOf = (guess: Guess) => {
  const recipient = `${guess.purpose}:${mailbox(guess.to)}`
  return {
    ofKey: `otp-tries:${guess.purpose}:${subject(guess)}`,
    ofRecipient: `otp-tries-to:${recipient}`,
    ofKnown: `otp-tries-known:${recipient}`,
    ofNetwork: `otp-tries-from:${recipient}:${guess.caller?.ipPrefix ?? ''}`,
  }
}

const DAY = 24 * HOUR

/** Spends one guess, from the narrow to the wide. */
async function spendGuess(guess: Guess): Promise<Result<unknown>> {
  const { ofKey, ofRecipient, ofKnown, ofNetwork } = triesOf(guess)
  if (!guess.device && guess.caller) {
    const here = await budget(ofNetwork, { max: GUESSES_PER_NETWORK_DAY, windowSeconds: DAY })
    if (!here.ok) return here
  }
  const hour = await budget(ofKey, { max: GUESSES_PER_KEY_HOUR, windowSeconds: HOUR })
  if (!hour.ok) return hour
  if (guess.device) {
    const known = await budget(ofKnown, { max: GUESSES_PER_KNOWN_DAY, windowSeconds: DAY })
    if (known.ok) return known
  }
  return await budget(ofRecipient, { max: GUESSES_PER_RECIPIENT_DAY, windowSeconds: DAY })
}

/** A right guess gives back those before it; of what known browsers share, the one that it took. */
async function refundGuesses(guess: Guess): Promise<void> {
  const { ofKey, ofRecipient, ofKnown, ofNetwork } = triesOf(guess)
  if (!guess.device) return refund(ofKey, ofRecipient, ofNetwork)
  await refund(ofKey)
  await giveBack(ofKnown)
}

/**
 * Makes a code, voids the older one and owes the message that brings it. Decoy and real take the same
 * steps, spend the same limits and give the same answer (ENU1 to ENU3).
 * @returns refusal `rate_limited` with `retryAfterSeconds`: sooner than 30 s after the last, or too many
 *   for this recipient, key, client network or all together (RL7); for text messages also `sms_spent`
 *   (the day's total), `phone_country` and `sms_off`
 * @throws StoresDown
 */
export async function begin(asked: Begin): Promise<Result<Sent>> {
  const purpose: Purpose = PURPOSES[asked.purpose]
  const allowed = await spendSending(asked, purpose.channel ?? 'mail')
  if (!allowed.ok) return allowed

  const code = randomDigits(purpose.digits)
  const lifeMs = purpose.lifeSeconds * 1000
  const at = nowMs()
  const kept = {
    redisKey: redisKey(asked),
    hmac: sealed(asked, asked.decoy ? randomToken() : code),
  }
  await store.putCode(kept.redisKey, {
    hmac: kept.hmac,
    boundTo: sealed(asked, ''),
    endMs: at + lifeMs,
    lifeMs,
  })
  const { to, locale, caller } = asked
  const byMail = purpose.channel !== 'sms'
  const message = {
    to,
    locale,
    caller,
    lifeSeconds: purpose.lifeSeconds,
    notAfter: new Date(at + (byMail ? SEND_WITHIN_MS : lifeMs)),
    before: { name: 'otp', data: { ...kept, lifeMs } satisfies Unsent },
  }
  const link = asked.link(code)
  await inTx(async (tx) => {
    if (asked.decoy) await purpose.tellOwner(tx, message)
    else await purpose.tell(tx, { ...message, code, link })
    await record(tx, {
      type: 'otp.sent',
      userId: asked.userId ?? null,
      caller,
      data: { purpose: asked.purpose },
    })
  })
  return ok({ resendInSeconds: RESEND_SECONDS, expiresInSeconds: purpose.lifeSeconds })
}

interface Unsent {
  redisKey: string
  hmac: string
  lifeMs: number
}

/**
 * The ten minutes run from the try to send that succeeds. Each try begins them anew, while the code is still the newest
 * and unused; tries are closer together than a code lives, so it does not vanish in between.
 */
beforeSending('otp', async (data) => {
  const { redisKey, hmac, lifeMs } = data as Unsent
  await store.renewCode(redisKey, { hmac, endMs: nowMs() + lifeMs, lifeMs })
})

/**
 * Tries a code. Spent before it is compared; good once; after five wrong tries, or ten minutes, or a
 * newer code, never. Purpose, key, destination and binding must be those it was made for.
 * @returns refusal `code_wrong`, `code_expired`, `code_exhausted`, or `rate_limited` when the key has
 *   had ten guesses within the hour, or the recipient thirty within the day, fifteen from this network
 * @throws StoresDown: without both stores nothing is compared
 */
export async function verify(guess: Guess): Promise<Result> {
  const field = 'code'
  const purpose: Purpose = PURPOSES[guess.purpose]
  if (
    typeof guess.code !== 'string' ||
    !/^[0-9]+$/.test(guess.code) ||
    guess.code.length !== purpose.digits
  ) {
    return refuse('code_wrong', { field })
  }
  const allowed = await spendGuess(guess)
  if (!allowed.ok) return allowed
  const outcome = await store.tryCode(redisKey(guess), {
    hmacs: allSealed(guess, guess.code),
    nowMs: nowMs(),
    maxTries: purpose.maxTries,
  })
  switch (outcome) {
    case 'right':
      await refundGuesses(guess)
      await answered(guess, purpose.channel ?? 'mail')
      return ok()
    case 'wrong':
      return refuse('code_wrong', { field })
    case 'gone':
      return refuse('code_expired', { field })
    case 'exhausted':
      return refuse('code_exhausted', { field })
    case 'last': {
      const { userId = null, caller } = guess
      const data = { purpose: guess.purpose }
      await record(null, { type: 'otp.exhausted', outcome: 'failure', userId, caller, data })
      return refuse('code_exhausted', { field })
    }
  }
}

export interface Pending {
  /** Milliseconds since the epoch: when another code may be asked for, and when this one ends. */
  resendAt: number
  expiresAt: number
}

/**
 * Whether the newest code of a key is for this destination and was asked for by this binding, and how long
 * it lasts; null for any other, used or expired. A decoy looks the same. Changes nothing.
 * @throws StoresDown
 */
export async function pending(bound: Bound): Promise<Pending | null> {
  const purpose: Purpose = PURPOSES[bound.purpose]
  const found = await store.readCode(redisKey(bound))
  if (!found || !allSealed(bound, '').includes(found.boundTo) || found.endMs <= nowMs()) return null
  const sentAt = found.endMs - purpose.lifeSeconds * 1000
  return { resendAt: sentAt + RESEND_SECONDS * 1000, expiresAt: found.endMs }
}

/** Whether any code for an address that somebody adds is alive, in whatever browser they asked. Changes nothing. */
export async function underWay(userId: string): Promise<boolean> {
  const found = await store.readCode(redisKeyOf(PURPOSES.email_addition.redisKey, userId))
  return found !== null && found.endMs > nowMs()
}
