import { formPost, seeOther } from '@/app/_lib/login'
import { oidc, sessions } from '@/lib'

/**
 * Signs the person out in every browser, this one too. No action of the console: the last page of a sign-out may load
 * frames of apps, which its own policy allows and the console's does not.
 */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async (_fields, caller) => {
    const facts = await sessions.check(caller.cookies)
    if (!facts) return seeOther('/signed-out', sessions.clearCookies())
    await sessions.revoke({ userId: facts.userId, all: true }, { reason: 'user', caller })
    const done = await oidc.signOut(caller, facts)
    return seeOther(done.url, done.setCookies)
  })
