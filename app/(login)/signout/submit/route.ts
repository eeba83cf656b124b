import { formPost, seeOther } from '@/app/_lib/login'
import { federation, oidc, sessions } from '@/lib'

/** Signs this browser out; where an app asked for it, the browser then goes back to that app. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ request: asked = '' }, caller) => {
    const facts = await sessions.check(caller.cookies)
    const outcome = facts && (await oidc.finishLogout(asked, caller, facts))
    if (outcome) return seeOther(outcome.url, outcome.setCookies)
    if (facts)
      await sessions.revoke({ userId: facts.userId, sid: facts.sid }, { reason: 'signed_out', caller })
    const provider = facts?.method === 'oauth' ? sessions.lastProvider(caller.cookies) : null
    const more = provider && federation.provider(provider)?.logout
    return seeOther(
      more ? `/signed-out?${new URLSearchParams({ with: provider })}` : '/signed-out',
      sessions.clearCookies(),
    )
  })
