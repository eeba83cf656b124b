import { formPost, seeOther } from '@/app/_lib/login'
import { requests, sessions, signin, users } from '@/lib'
import { isLanguage } from '@/lib/texts'
import { localeCookie } from '../_lib/page'

/** Back to the page that the choice was made on: our own forms carry it in Referer (Referrer-Policy: same-origin). */
function cameFrom(request: Request): string {
  const referer = request.headers.get('referer') ?? ''
  const url = URL.canParse(referer) ? new URL(referer) : null
  const own = url?.origin === requests.settings().url
  return own ? signin.safePath(url.pathname + url.search) : '/'
}

/** Keeps the language chosen in this browser; for a signed-in person it becomes their own. Works without script. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ locale = '' }, caller) => {
    const back = cameFrom(request)
    if (!isLanguage(locale)) return seeOther(back)
    const session = await sessions.check(caller.cookies)
    if (session) await users.profile.update(session.userId, { locale }, caller)
    return seeOther(back, [localeCookie(locale)])
  })
