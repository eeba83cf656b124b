/** How a verb of this room answers: the next page, with what was refused kept for it, or out. */
import { nowMs } from '../base/clock'
import { ok, type Refusal, type Result, refuse } from '../base/refusals'
import { type Attempt, type Notice, startOver, type Typed } from './attempt'
import type { Completed } from './complete'
import type { Step } from './steps'
import * as store from './store'

/** Where the browser goes next: another page of the login (with what was refused, if anything), or out of it. */
export type Outcome = { step: Exclude<Step, 'done'>; refusal?: Refusal } | Completed

/** Keeps a refusal for the next page and says which page that is. */
export async function turnDown(
  flow: string,
  step: Exclude<Step, 'done'>,
  refusal: Refusal,
  typed?: Typed,
): Promise<Result<Outcome>> {
  const attempt = await store.update(flow, (a: Attempt) => {
    a.notice = toNotice(refusal)
    if (typed) a.typed = typed
  })
  return attempt ? ok({ step, refusal }) : refuse('flow_expired')
}

/** Takes every proof back and says why: the attempt is where it began. */
export async function beginAnew(flow: string, refusal: Refusal): Promise<Result<Outcome>> {
  const attempt = await store.update(flow, (a: Attempt) => {
    startOver(a)
    a.notice = toNotice(refusal)
  })
  return attempt ? ok({ step: 'identify', refusal }) : refuse('flow_expired')
}

/**
 * An account that could not be made after all. A guest who is none any more, or no longer here, is no reason to be
 * refused for ever: the next try makes an account of its own.
 */
export async function refusedAccount(
  flow: string,
  refusal: Refusal,
  otherwise = (flow: string, refusal: Refusal) => turnDown(flow, 'identify', refusal),
): Promise<Result<Outcome>> {
  if (refusal.code !== 'account_changed') return otherwise(flow, refusal)
  await store.update(flow, (a: Attempt) => {
    a.guest = null
  })
  return beginAnew(flow, refusal)
}

function toNotice(refusal: Refusal): Notice {
  const { code, field, values, retryAfterSeconds } = refusal
  return {
    code,
    field,
    values,
    retryAt: retryAfterSeconds === undefined ? undefined : nowMs() + retryAfterSeconds * 1000,
  }
}
