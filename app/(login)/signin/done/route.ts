import { afterSignIn, at, one, seeOther, startAgain } from '@/app/_lib/login'
import { requests, sessions, signin } from '@/lib'

/** Where Back and reload land after a sign-in is over: on with the app's request, or the page that was wanted. */
export async function GET(request: Request): Promise<Response> {
  const caller = requests.caller(request.headers)
  const flow = one(new URL(request.url).searchParams.get('flow') ?? undefined)
  const [facts, found] = [await sessions.check(caller.cookies), await signin.expect(flow, caller)]
  if (!facts) {
    if (found.ok && found.value.step !== 'done') return seeOther(at('/signin', flow))
    // Its session was never opened, or its cookie never came here: the app that waits goes on waiting.
    return seeOther(startAgain(found.ok ? found.value.request : null))
  }
  if (!found.ok) return seeOther('/account')
  return found.value.step === 'done'
    ? seeOther(await afterSignIn(found.value, caller, facts))
    : seeOther(at('/signin', flow))
}
