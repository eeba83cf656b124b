import { lacksSecond, mustHaveTwo } from '@/app/_lib/admin'
import { afterSignIn, at, comeBackLater, seeOther } from '@/app/_lib/login'
import { appLocaleCookie } from '@/app/_lib/page'
import { oidc, requests, sessions, signin } from '@/lib'
import type { InteractionView } from '@/lib/oidc'
import type { SessionFacts } from '@/lib/sessions'

/**
 * Begins a sign-in: for a relying app that waits (`request`), or for a page of ours (`to`). Whoever is
 * signed in well enough already is sent on without a question.
 */
export async function GET(request: Request): Promise<Response> {
  const caller = requests.caller(request.headers)
  const query = new URL(request.url).searchParams
  const uid = query.get('request')
  const facts = await sessions.check(caller.cookies)

  if (!uid) {
    const returnTo = signin.safePath(query.get('to') ?? undefined)
    const reauth = query.get('reauth') === '1'
    // To a guest nothing of ours is open but the overview, whatever sent them here.
    const rising = query.get('level') === 'aal2' && !!facts && !facts.guest && (await lacksSecond(facts))
    const enough = facts?.guest
      ? returnTo === '/account' && !reauth
      : facts && !(reauth && !sessions.isFresh(facts)) && !rising
    if (enough) return seeOther(returnTo)
    const begun = await signin.begin({
      returnTo,
      reauth,
      level: rising ? 'aal2' : null,
      // The operator's word, not that of whoever made the link.
      essential: rising && (await mustHaveTwo(facts)),
      caller,
    })
    if (!begun.ok) return comeBackLater('/problem?code=rate_limited', begun.refusal)
    const keeps = facts?.guest && !reauth && requests.settings().signUp
    const page = query.get('page') === 'signup' || keeps ? '/signup' : '/signin'
    return seeOther(at(page, begun.value.flow), begun.value.setCookies)
  }

  const waiting = await oidc.request(uid, caller)
  if (!waiting) return seeOther('/problem?code=request_expired')
  const returnTo = '/account'
  const switching = query.get('switch') === '1'
  if (facts && !switching && !(await somethingToAsk(waiting, facts))) {
    return seeOther(await afterSignIn({ request: uid, returnTo }, caller, facts))
  }
  const wanted = oidc.levelWanted(waiting.demands)
  const begun = await signin.begin({
    returnTo,
    request: uid,
    level: wanted?.level ?? null,
    essential: wanted?.essential ?? false,
    proveAnew: waiting.demands.forced || waiting.demands.dated === true,
    loginHint: switching ? undefined : (waiting.params.loginHint ?? undefined),
    reauth: !switching,
    mayGuest: waiting.mayGuest,
    caller,
  })
  if (!begun.ok) return comeBackLater('/problem?code=rate_limited', begun.refusal)
  // A guest who is asked for more makes an account of what there is; who has one already signs in from there.
  const signUp = facts ? facts.guest && requests.settings().signUp : waiting.params.prompt.includes('create')
  const page = signUp ? '/signup' : '/signin'
  const { uiLocales } = waiting.params
  return seeOther(at(page, begun.value.flow), [...begun.value.setCookies, appLocaleCookie(uiLocales)])
}

/**
 * Whether there is a question for who is signed in: a level an app only wishes for is none for who cannot reach it, but
 * to a guest it is the question whether to stay one.
 */
async function somethingToAsk(waiting: InteractionView, facts: SessionFacts): Promise<boolean> {
  const lacks = oidc.lacks(waiting, facts)
  const wishOnly = lacks.length === 1 && lacks[0] === 'acr_wished'
  return wishOnly && !facts.guest ? signin.couldReachAal2(facts.userId) : lacks.length > 0
}
