import NextAuth from 'next-auth'
import { requests, sessions } from '@/lib'

/**
 * NextAuth's own routes, over our sessions: who is signed in, and signing out. Thin on purpose. Asked
 * first here, because NextAuth takes "could not be told" for "nobody" and would delete the cookie.
 */
async function handler(
  request: Request,
  context: { params: Promise<{ nextauth: string[] }> },
): Promise<Response> {
  const { cookies } = requests.caller(request.headers)
  const wanted = new URL(request.url).searchParams.getAll('callbackUrl')
  if (![...wanted, ...kept(cookies)].every(isPlace)) return malformed()
  await sessions.check(cookies)
  return NextAuth(sessions.authOptions())(request, context)
}

const CALLBACK_COOKIES = ['next-auth.callback-url', '__Secure-next-auth.callback-url']

/** Where a browser was told to go back to earlier. */
const kept = (cookies: Record<string, string>): string[] =>
  CALLBACK_COOKIES.flatMap((name) => cookies[name] ?? []).map((value) => {
    try {
      return decodeURIComponent(value)
    } catch {
      return value
    }
  })

/** NextAuth takes what is no address for a fault of ours: 500, and a line in the log (CVE-2022-31093). */
const isPlace = (value: string): boolean =>
  !value ||
  (URL.canParse(value, value.startsWith('/') ? requests.settings().url : undefined) &&
    /^https?:/.test(new URL(value, requests.settings().url).protocol))

/** 400, and the browser forgets what it was told. */
function malformed(): Response {
  const answer = Response.json({ error: 'malformed' }, { status: 400 })
  for (const name of CALLBACK_COOKIES) {
    const secure = name.startsWith('__Secure-') ? '; Secure' : ''
    answer.headers.append('set-cookie', `${name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0${secure}`)
  }
  return answer
}

export { handler as GET, handler as POST }
