import { formPost, seeOther } from '@/app/_lib/login'
import { oidc, sessions } from '@/lib'

/** Signs this browser out; where an app asked for it, the browser then goes back to that app. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ request: asked = '' }, caller) => {
    const facts = await sessions.check(caller.cookies)
    const outcome = facts && (await oidc.finishLogout(asked, caller, facts))
    const done = outcome ?? (facts && (await oidc.signOut(caller, facts)))
    return done ? seeOther(done.url, done.setCookies) : seeOther('/signed-out', sessions.clearCookies())
  })
