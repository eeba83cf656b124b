/**
 * A sign-in to an app, tried without the app: judged by the rules of the authorization endpoint as they stand now, for a
 * session that there is. Nothing is issued, granted, kept or sent, so that there is nothing to steal or to take back
 * (decision 095).
 */
import { nowMs } from '../base/clock'
import type * as sessions from '../sessions'
import { shown } from './claims-shown'
import * as clients from './clients'
import { lacksToEnter } from './entrants'
import type { EntryLack } from './entry'
import { may } from './gate'
import { type Unmet, unmet, withRegistered } from './policy'
import { SCOPE_OF_CLAIM } from './scopes'
import { sidFor } from './session'
import * as store from './store'
import { type ClientRow, findClient } from './store-registry'
import { load as loadSalt } from './subjects'

type Claims = Record<string, unknown>

/** What an app may ask of people by itself, without an API. */
export const TRIAL_SCOPES = ['openid', ...new Set(SCOPE_OF_CLAIM.values())]

export interface Trial {
  /** It is switched off: nothing goes through. */
  off: boolean
  /** People can sign in to it in a browser. */
  forPeople: boolean
  /** What the session lacks; [] where the sign-in pages would not be shown. */
  lacks: Unmet[]
  /** Why the app does not let the person in; [] where it does. */
  entry: EntryLack[]
  /** Codes and tokens that come of this session would be good. */
  good: boolean
  /** Scopes that the consent page would name; null: it would not be shown. */
  asks: string[] | null
  /** What was allowed before, of what is asked. */
  allowed: string[]
  /** What the app would read, all that is asked being allowed. What each token alone has (iss, aud, exp, nonce …) is not in it. */
  idToken: Claims
  userinfo: Claims
}

const isNative = ({ metadata }: ClientRow): boolean => metadata.application_type === 'native'

/**
 * What came of it if the person of this session signed in to the app now and it asked for `scopes`.
 * @param scopes those of TRIAL_SCOPES; others are not asked for
 * @returns null when there is no such app
 * @throws StoresDown
 */
export async function trial(
  clientId: string,
  facts: sessions.SessionFacts,
  scopes: readonly string[],
): Promise<Trial | null> {
  const row = await findClient(clientId)
  if (!row) return null
  const { userId, sid } = facts
  const asked = TRIAL_SCOPES.filter((scope) => scope === 'openid' || scopes.includes(scope))
  const [active, entry, good, grant, idToken, userinfo] = await Promise.all([
    clients.active(clientId),
    lacksToEnter(row, { userId }),
    may({ userId, clientId, sid }),
    store.liveGrant(userId, clientId),
    loadSalt().then(() => shown(row, userId, 'id_token', asked, facts.guest)),
    loadSalt().then(() => shown(row, userId, 'userinfo', asked, facts.guest)),
  ])
  const demands = withRegistered({ since: nowMs(), forced: false }, row)
  const missing = asked.filter((scope) => !grant?.scopes.includes(scope))
  return {
    off: !active,
    forPeople: row.metadata.grant_types.includes('authorization_code'),
    lacks: unmet(demands, facts, nowMs()),
    entry,
    good,
    // A native app is asked about each time: another one may have taken its address (RFC 8252 section 8.6).
    asks: isNative(row) ? asked : row.firstParty || missing.length === 0 ? null : missing,
    allowed: asked.filter((scope) => !missing.includes(scope)),
    idToken: {
      ...idToken,
      auth_time: Math.floor(facts.authAt / 1000),
      acr: facts.acr,
      amr: facts.amr,
      sid: sidFor(sid, clientId),
    },
    userinfo,
  }
}
