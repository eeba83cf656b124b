/** Takes an app through every check, one after the other, and says what it did. */

import { Trouble } from './agent'
import type { AppUnderTest, SignIn } from './app-under-test'
import { CHECK_IDS, type CheckId, type Finding, type Result } from './checks'
import { ELSEWHERE } from './tokens'

export interface Progress {
  /** Each result as it comes. */
  found?(result: Result): void
  /** A wait begins, for an app that has just read the keys. */
  waiting?(seconds: number): void
}

export interface Around extends Progress {
  app: AppUnderTest
  /** These alone, with the good ones that they build on; left out: all. */
  only?: readonly CheckId[]
  /** For so long an app may keep keys that it has read, before it asks for them again. */
  keySeconds: number
  wait(milliseconds: number): Promise<void>
}

type Examination = (around: Around) => Promise<Finding>

/** What the page said, in words of the report. */
function seen(signedIn: boolean | null): Finding {
  if (signedIn === null) return { outcome: 'unclear', note: 'page_unknown' }
  return { outcome: signedIn ? 'accepted' : 'refused' }
}

/** What no page can show where the token, or that of it, is not there: who is signed in all the same looks like a stranger. */
const GONE: { [Name in CheckId]?: ('sub' | 'name' | 'email')[] } = {
  id_missing: ['sub', 'name', 'email'],
  id_sub_missing: ['sub'],
}

/** A sign-in whose tokens have this mistake. */
const withTokens =
  (mistake: CheckId): Examination =>
  async ({ app }) => {
    if (mistake === 'id_hs256_secret' && app.standIn.signing.secret === null)
      return { outcome: 'skipped', note: 'no_secret' }
    const gone = GONE[mistake]
    if (gone && app.hangsOn(...gone)) return { outcome: 'unclear', note: 'person_not_shown' }
    const { agent, words, grant } = await app.signIn(mistake)
    if (grant.redeemed === 0) return { outcome: 'unclear', note: 'code_not_redeemed' }
    return seen(await app.isSignedIn(agent, words))
  }

/** A sign-in whose answer at the redirect URI is changed. */
const withAnswer =
  (change: (good: Record<string, string>) => Record<string, string>, needs?: 'state'): Examination =>
  async ({ app }) => {
    const begun = await app.begin()
    if (needs === 'state' && begun.asked.state === null) return { outcome: 'skipped', note: 'no_state' }
    const { grant, words } = app.grantFor(begun.asked, null)
    await app.deliver(begun, change(app.answerTo(grant)))
    return seen(await app.isSignedIn(begun.agent, words))
  }

const without = (name: string) => (params: Record<string, string>) =>
  Object.fromEntries(Object.entries(params).filter(([key]) => key !== name))

/** An attacker has the victim's browser load the answer to the attacker's own sign-in. */
const stateOfAnotherBrowser: Examination = async ({ app }) => {
  const attacker = await app.begin()
  const victim = await app.begin()
  const { grant, words } = app.grantFor(attacker.asked, null)
  await app.deliver({ agent: victim.agent, asked: attacker.asked }, app.answerTo(grant))
  return seen(await app.isSignedIn(victim.agent, words))
}

/** The answer of a finished sign-in is loaded once more by the browser that had it. */
const stateReused: Examination = async ({ app }) => {
  const done = await app.signIn()
  if (done.asked.state === null) return { outcome: 'skipped', note: 'no_state' }
  const before = done.grant.redeemed
  await app.deliver(done, app.answerTo(done.grant))
  return { outcome: done.grant.redeemed > before ? 'accepted' : 'refused' }
}

/** The same, by somebody who found the address in a log or a history. */
const callbackReplayed: Examination = async ({ app }) => {
  const done = await app.signIn()
  const agent = app.browser()
  await app.deliver({ agent, asked: done.asked }, app.answerTo(done.grant))
  return seen(await app.isSignedIn(agent, done.words))
}

/** A stolen code is put into the answer to a sign-in of the thief's own. */
const codeInjected: Examination = async ({ app }) => {
  const victim = await app.begin()
  const { grant, words } = app.grantFor(victim.asked, null)
  const thief = await app.begin()
  await app.deliver(thief, { ...app.answerTo({ asked: thief.asked, code: grant.code }) })
  return seen(await app.isSignedIn(thief.agent, words))
}

const userinfoSub: Examination = async ({ app }) => {
  const { agent, words, grant } = await app.signIn('userinfo_sub')
  if (grant.infoRead === 0)
    return grant.redeemed > 0
      ? { outcome: 'skipped', note: 'no_userinfo' }
      : { outcome: 'unclear', note: 'code_not_redeemed' }
  const signedIn = await app.isSignedIn(agent, words)
  if (!signedIn) return seen(signedIn)
  if ((await app.shows(agent, words.info)) || (await app.shows(agent, grant.info.sub)))
    return { outcome: 'accepted' }
  return app.showsUserinfo
    ? { outcome: 'refused', note: 'stayed_signed_in' }
    : { outcome: 'unclear', note: 'userinfo_not_seen' }
}

/** What came of a logout: the session is over, or the app at least said so, or neither. */
async function afterLogout({ app }: Around, signIn: SignIn): Promise<boolean | null> {
  const still = await app.isSignedIn(signIn.agent, signIn.words)
  return still === null ? null : !still
}

const yes = (status: number): boolean => status >= 200 && status < 300

const backchannel =
  (mistake: CheckId): Examination =>
  async (around) => {
    const { app } = around
    const signIn = await app.signIn()
    const status = await app.logout(await app.logoutToken(signIn.grant.person, mistake))
    const ended = await afterLogout(around, signIn)
    if (ended === null) return { outcome: 'unclear', note: 'page_unknown', status }
    if (mistake === 'logout_good') {
      if (ended)
        return yes(status) ? { outcome: 'accepted' } : { outcome: 'unclear', note: 'no_but_done', status }
      return { outcome: 'refused', status, ...(yes(status) && { note: 'yes_but_nothing' }) }
    }
    if (ended) return { outcome: 'accepted', status }
    // Nothing to be said against a good token for a session that the app does not have.
    if (yes(status) && mistake !== 'logout_of_another')
      return { outcome: 'unclear', note: 'yes_but_nothing', status }
    return { outcome: 'refused', status }
  }

const logoutReplayed: Examination = async (around) => {
  const { app } = around
  const first = await app.signIn()
  const token = await app.logoutToken(first.grant.person, null)
  await app.logout(token)
  const second = await app.signIn(null, first)
  const status = await app.logout(token)
  const ended = await afterLogout(around, second)
  return ended === null
    ? { outcome: 'unclear', note: 'page_unknown', status }
    : { outcome: ended ? 'accepted' : 'refused', status }
}

const frontchannel =
  (mistake: CheckId): Examination =>
  async (around) => {
    const signIn = await around.app.signIn()
    await around.app.frontLogout(signIn, mistake)
    const ended = await afterLogout(around, signIn)
    return ended === null
      ? { outcome: 'unclear', note: 'page_unknown' }
      : { outcome: ended ? 'accepted' : 'refused' }
  }

/** A good sign-in; of an app that refuses it once more when it must have read the keys anew. */
async function patiently(around: Around, check: () => Promise<Finding>): Promise<Finding> {
  const first = await check()
  if (first.outcome === 'accepted') return first
  around.waiting?.(around.keySeconds)
  await around.wait(around.keySeconds * 1000)
  const second = await check()
  return second.outcome === 'accepted' ? { ...second, note: 'after_waiting' } : second
}

/** Knows from it how a signed-in person looks: without it nothing else can be seen. */
const goodSignIn: Examination = (around) =>
  patiently(around, async () => {
    const signIn = await around.app.signIn()
    if (signIn.grant.redeemed === 0) return { outcome: 'refused', note: 'code_not_redeemed' }
    const failed = 'status' in signIn.answer && signIn.answer.status >= 400
    return { outcome: !failed && (await around.app.learn(signIn)) ? 'accepted' : 'refused' }
  })

const keyRotated: Examination = async (around) => {
  const { app } = around
  await app.standIn.rotate()
  return patiently(around, async () => {
    const { agent, words } = await app.signIn()
    return seen(await app.isSignedIn(agent, words))
  })
}

const EXAMINATIONS: Record<CheckId, Examination> = {
  good_sign_in: goodSignIn,
  iss_response_wrong: withAnswer((good) => ({ ...good, iss: ELSEWHERE })),
  iss_response_missing: withAnswer(without('iss')),
  state_missing: withAnswer(without('state'), 'state'),
  state_unknown: withAnswer((good) => ({ ...good, state: `${good.state}-other` }), 'state'),
  state_of_another_browser: stateOfAnotherBrowser,
  state_reused: stateReused,
  callback_replayed: callbackReplayed,
  code_injected: codeInjected,
  error_with_code: withAnswer((good) => ({ ...good, error: 'access_denied' })),
  id_missing: withTokens('id_missing'),
  id_iss: withTokens('id_iss'),
  id_aud: withTokens('id_aud'),
  id_aud_more: withTokens('id_aud_more'),
  id_nonce_wrong: withTokens('id_nonce_wrong'),
  id_nonce_missing: withTokens('id_nonce_missing'),
  id_sub_missing: withTokens('id_sub_missing'),
  id_expired: withTokens('id_expired'),
  id_iat_far: withTokens('id_iat_far'),
  id_alg_none: withTokens('id_alg_none'),
  id_hs256_public_key: withTokens('id_hs256_public_key'),
  id_hs256_secret: withTokens('id_hs256_secret'),
  id_key_unknown: withTokens('id_key_unknown'),
  id_key_embedded: withTokens('id_key_embedded'),
  id_tampered: withTokens('id_tampered'),
  id_at_hash: withTokens('id_at_hash'),
  userinfo_sub: userinfoSub,
  logout_good: backchannel('logout_good'),
  logout_iss: backchannel('logout_iss'),
  logout_aud: backchannel('logout_aud'),
  logout_nonce: backchannel('logout_nonce'),
  logout_events: backchannel('logout_events'),
  logout_subject: backchannel('logout_subject'),
  logout_alg_none: backchannel('logout_alg_none'),
  logout_hs256_public_key: backchannel('logout_hs256_public_key'),
  logout_key_unknown: backchannel('logout_key_unknown'),
  logout_expired: backchannel('logout_expired'),
  logout_id_token: backchannel('logout_id_token'),
  logout_of_another: backchannel('logout_of_another'),
  logout_replayed: logoutReplayed,
  front_good: frontchannel('front_good'),
  front_iss: frontchannel('front_iss'),
  front_sid: frontchannel('front_sid'),
  key_rotated: keyRotated,
}

/** The logout that shows whether the app listens at all. */
const good = (check: CheckId): CheckId | null =>
  check.startsWith('logout_') ? 'logout_good' : check.startsWith('front_') ? 'front_good' : null

/** Why a check of logout says nothing about this app, or null. */
function spared(check: CheckId, { app }: Around, before: readonly Result[]): Finding | null {
  const { backchannelLogoutUri, frontchannelLogoutUri } = app.patient
  const first = good(check)
  if (first === 'logout_good' && !backchannelLogoutUri) return { outcome: 'skipped', note: 'no_backchannel' }
  if (first === 'front_good' && !frontchannelLogoutUri) return { outcome: 'skipped', note: 'no_frontchannel' }
  const heard = before.find((result) => result.check === first)
  return heard && heard.outcome !== 'accepted' ? { outcome: 'unclear', note: 'deaf_to_logout' } : null
}

/**
 * Runs every check.
 * @throws Trouble when not even a good sign-in works, so that nothing could be learned from bad ones
 */
export async function examine(around: Around): Promise<Result[]> {
  const results: Result[] = []
  const asked = (check: CheckId): boolean =>
    !around.only ||
    check === 'good_sign_in' ||
    around.only.some((one) => one === check || good(one) === check)
  for (const check of CHECK_IDS.filter(asked)) {
    const finding =
      spared(check, around, results) ??
      (await EXAMINATIONS[check](around).catch((error: unknown): Finding => {
        if (!(error instanceof Trouble) || check === 'good_sign_in') throw error
        return { outcome: 'unclear', note: 'app_not_reached' }
      }))
    if (check === 'good_sign_in' && finding.outcome !== 'accepted') throw refusedGood(finding)
    const result = { check, ...finding }
    results.push(result)
    around.found?.(result)
  }
  return results
}

const refusedGood = ({ note }: Finding): Trouble =>
  note === 'code_not_redeemed'
    ? new Trouble(
        'The app was given a good code and never redeemed it, so bad ones would show nothing.',
        'Its log says why; its client authentication or its issuer may be set wrong.',
      )
    : new Trouble(
        'After a good sign-in the app looks as it does to a stranger, so bad ones would show nothing.',
        'If it did sign in, give with --signed-in-url a page that looks different then. If not, its log says why.',
      )
