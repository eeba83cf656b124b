/** Set-Cookie lines of a room, from within a server action, which may only name cookies one by one. */
import { cookies } from 'next/headers'
import { requests } from '@/lib'

export async function setCookieLines(lines: readonly string[]): Promise<void> {
  const store = await cookies()
  for (const line of lines) {
    const [pair = '', ...attributes] = line.split('; ')
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    const said = new Map(attributes.map((attribute) => attribute.split('=') as [string, string | undefined]))
    requests.renewCookie(name, value)
    store.set(name, value, {
      path: said.get('Path') ?? '/',
      httpOnly: said.has('HttpOnly'),
      secure: said.has('Secure'),
      sameSite: 'lax',
      maxAge: Number(said.get('Max-Age') ?? 0),
    })
  }
}
