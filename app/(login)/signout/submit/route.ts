import { formPost, seeOther } from '@/app/_lib/login'
import { federation, oidc, requests, sessions } from '@/lib'
import type { Caller } from '@/lib/base/caller'
import type { SessionFacts } from '@/lib/sessions'

/** Signs this browser out; where an app asked for it, the browser then goes back to that app. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ request: asked = '' }, caller) => {
    const facts = await sessions.check(caller.cookies)
    if (!facts) return seeOther('/signed-out', sessions.clearCookies())
    const done = (await oidc.finishLogout(asked, caller, facts)) ?? (await oidc.signOut(caller, facts))
    return seeOther(offering(done.url, facts, caller), done.setCookies)
  })

/** Our own page after a sign-out offers to sign out of the provider that the person had come by. */
function offering(to: string, facts: SessionFacts, caller: Caller): string {
  const provider = facts.method === 'oauth' ? sessions.lastProvider(caller.cookies) : null
  const url = new URL(to, requests.settings().url)
  if (!provider || !federation.provider(provider)?.logout || url.pathname !== '/signed-out') return to
  if (url.origin !== requests.settings().url) return to
  url.searchParams.set('with', provider)
  return url.href
}
