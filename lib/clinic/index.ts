/**
 * Room: clinic.
 * Owns: the checks that a relying app is taken through, the stand-in provider that makes the mistakes, the newest
 *   report of each app.
 * Hands off: which apps there are and which may be examined (oidc, the command line); words (the command line, pages).
 * Invariants: the portal's process serves none of it and calls no app; the keys are made for one run and were never the
 *   portal's; a report holds outcomes alone, no token, no secret.
 */
import 'server-only'
import { CHECKS, type Report, type Result } from './checks'
import * as store from './store'

export { Trouble } from './agent'
export { AppUnderTest, type Where } from './app-under-test'
export {
  CHECK_IDS,
  CHECKS,
  type CheckId,
  GROUPS,
  type Group,
  NOTES,
  type Note,
  type Outcome,
  type Report,
  type Result,
  sum,
  type Verdict,
  verdict,
  type Weight,
} from './checks'
export { type Around, examine, type Progress } from './examine'
export { type Patient, StandIn } from './stand-in'

/** Keeps a report in place of the one before. @throws StoresDown */
export const keep = (report: Report): Promise<void> => store.write(report)

/**
 * The newest report of an app, if it is not older than a month.
 * @param since when the app was registered: an id that was given again has no report yet
 * @throws StoresDown
 */
export async function newest(clientId: string, since: Date): Promise<Report | null> {
  const report = await store.read(clientId)
  if (report?.clientSince !== since.toISOString()) return null
  // Of an earlier version there may be checks that are no more.
  const known = (result: Result): boolean => result.check in CHECKS
  return { ...report, results: report.results.filter(known) }
}
