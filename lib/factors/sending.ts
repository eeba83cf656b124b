/**
 * What it may cost to send codes. Every limit is spent before anything is made, the narrowest first, so
 * that what one asker is refused costs the others nothing. Postgres counts those that guard a person or
 * the operator's money, Redis those that smooth traffic.
 *
 * Text messages cost money, and "SMS pumping" earns it: someone asks for codes to numbers they profit
 * from, and never types one. So what counts against a network, an account and a block of numbers is
 * codes that did not come back: a right code gives its place back, a pumped one never does.
 */
import type { Caller } from '../base/caller'
import { env } from '../base/env'
import { bucket, budget, giveBack, mailbox } from '../base/limits'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import { sms } from '../notify'
import { subject, type Whose } from './purposes'

/** Between two codes for one key. */
export const RESEND_SECONDS = 30
/** Codes sent for one key (an account, a sign-up) in an hour; a recipient's limit is the operator's. */
const SENT_PER_KEY_HOUR = 10
/** A recipient's day, in hours' worth of messages: hour after hour is still a nuisance. */
const DAY_IN_HOURS = 4
/** All messages of the portal in a minute: the most that any flood can cost. */
const SENT_PER_MINUTE = 600
/** Text messages of one account in a day that nobody answered: to pump more takes more accounts, each with a proven address. */
const UNANSWERED_PER_KEY_DAY = 6
const HOUR = 3600
const DAY = 24 * HOUR

export type Channel = 'mail' | 'sms'

interface Asked extends Whose {
  caller: Caller
}

type Step = () => Promise<Result<unknown>>

/**
 * Spends every limit of sending one code.
 * @returns refusal `rate_limited` with `retryAfterSeconds`; for text messages also `sms_spent`,
 *   `phone_country`, `sms_off`
 */
export async function spendSending(asked: Asked, channel: Channel): Promise<Result> {
  if (channel === 'sms') {
    if (!sms.enabled()) return refuse('sms_off')
    if (!sms.reaches(asked.to)) return refuse('phone_country')
  }
  for (const spend of channel === 'sms' ? smsSteps(asked) : mailSteps(asked)) {
    const spent = await spend()
    if (!spent.ok) return spent
  }
  return ok()
}

/** What every code costs, whichever way it goes. */
const commonSteps = (asked: Asked): Step[] => {
  const { purpose, to, caller } = asked
  const { requestsBurst, requestsPerMinute } = env().limits
  const whose = subject(asked)
  return [
    () =>
      bucket(
        sha256(`${purpose}:${whose}:${mailbox(to)}`),
        { capacity: 1, perMinute: 60 / RESEND_SECONDS },
        'otp-resend',
      ),
    () =>
      bucket(
        caller.ipPrefix,
        { capacity: requestsBurst, perMinute: Math.max(1, requestsPerMinute / 10) },
        'otp-ip',
      ),
    () => budget(`otp-key:${purpose}:${whose}`, { max: SENT_PER_KEY_HOUR, windowSeconds: HOUR }),
  ]
}

const inAll: Step = () => bucket('all', { capacity: SENT_PER_MINUTE, perMinute: SENT_PER_MINUTE }, 'otp-all')

/** Browsers that the account knows share a place of their own: strangers' requests do not fill it. */
const known = ({ device }: Whose): string => (device ? ':known' : '')

function mailSteps(asked: Asked): Step[] {
  const { mailsPerRecipientHour: hourly } = env().limits
  const recipient = `${asked.purpose}:${mailbox(asked.to)}${known(asked)}`
  return [
    ...commonSteps(asked),
    () => budget(`otp-to:${recipient}`, { max: hourly, windowSeconds: HOUR }),
    () => budget(`otp-to-day:${recipient}`, { max: DAY_IN_HOURS * hourly, windowSeconds: DAY }),
    inAll,
  ]
}

function smsSteps(asked: Asked): Step[] {
  const { smsPerNumberHour, smsPerIpDay, smsPerPrefixDay, smsPerDay } = env().limits
  const { ofKey, ofNetwork, ofBlock } = unanswered(asked)
  return [
    ...commonSteps(asked),
    () => budget(`sms-to:${asked.to}${known(asked)}`, { max: smsPerNumberHour, windowSeconds: HOUR }),
    () => budget(`sms-to-day:${asked.to}${known(asked)}`, { max: 2 * smsPerNumberHour, windowSeconds: DAY }),
    () => budget(ofKey, { max: UNANSWERED_PER_KEY_DAY, windowSeconds: DAY }),
    () => budget(ofNetwork, { max: smsPerIpDay, windowSeconds: DAY }),
    () => budget(ofBlock, { max: smsPerPrefixDay, windowSeconds: DAY }),
    inAll,
    () => theDay(smsPerDay),
  ]
}

type Answered = Whose & { caller?: Caller }

/** The budgets that a right code gives its place back in. */
const unanswered = (code: Answered) => ({
  ofKey: `sms-open-key:${subject(code)}`,
  ofNetwork: `sms-open-ip:${code.caller?.ipPrefix ?? ''}`,
  ofBlock: `sms-open-block:${sms.block(code.to)}`,
})

/** Notices by text message are few, and never at the cost of a code that somebody waits for: they have a count of their own. */
const NOTICES_PER_NUMBER_DAY = 6

/**
 * Spends what a notice to a proven number costs.
 * @returns refusals `sms_off`, `phone_country`, `rate_limited`, `sms_spent`
 */
export async function spendNotice(to: string): Promise<Result> {
  if (!sms.enabled()) return refuse('sms_off')
  if (!sms.reaches(to)) return refuse('phone_country')
  for (const spend of [
    () => budget(`sms-notice-to:${to}`, { max: NOTICES_PER_NUMBER_DAY, windowSeconds: DAY }),
    inAll,
    () => theDay(env().limits.smsPerDay),
  ]) {
    const spent = await spend()
    if (!spent.ok) return spent
  }
  return ok()
}

/** The last word on the bill: so many text messages a day, and then none, whoever asks. */
async function theDay(max: number): Promise<Result<unknown>> {
  const spent = await budget('sms-day', { max, windowSeconds: DAY })
  if (spent.ok) {
    if (spent.value.left === 0)
      log().error({ max }, 'LIMIT_SMS_PER_DAY is reached: no more text messages today')
    return spent
  }
  return refuse('sms_spent', { retryAfterSeconds: spent.refusal.retryAfterSeconds })
}

/**
 * A code came back: its text message was asked for by someone who reads it. Gives its place back in the
 * budgets of unanswered ones, one for one, so that answered codes can never pay for pumped ones.
 */
export async function answered(code: Answered, channel: Channel): Promise<void> {
  if (channel !== 'sms') return
  const { to, caller } = code
  const { ofKey, ofNetwork, ofBlock } = unanswered(code)
  await giveBack(...(caller ? [ofKey, ofNetwork, ofBlock] : [ofKey, ofBlock]))
  await sms.answered(to)
}
