/**
 * How NextAuth sees our sessions: the same cookie, the same truth. It can read who is signed in and
 * sign out; it has no provider here that takes a password, so it opens no second front door.
 */
import type { DefaultSession, NextAuthOptions } from 'next-auth'
import { env } from '../base/env'
import { deriveKey } from '../base/secrets'
import { cookieName, openTicket, sealTicket } from './cookies'
import { check, revoke } from './index'

declare module 'next-auth' {
  interface Session {
    user: DefaultSession['user'] & { id: string; roles: string[] }
    amr: string[]
    acr: string
    authTime: number
  }
}

/** Options for `NextAuth(…)` and `getServerSession(…)`. */
export function authOptions(): NextAuthOptions {
  const secure = env().https
  // NextAuth reads its origin here and nowhere else; left to itself it leads people to http://localhost:3000 (HST1).
  process.env.NEXTAUTH_URL = env().url
  return {
    providers: [],
    secret: deriveKey('next-auth').toString('base64url'),
    session: { strategy: 'jwt', maxAge: env().sessionMaxSeconds },
    useSecureCookies: secure,
    cookies: {
      sessionToken: {
        name: cookieName('session'),
        options: { httpOnly: true, sameSite: 'lax', path: '/', secure },
      },
    },
    pages: { signIn: '/signin/start', signOut: '/signout', error: '/signin/start' },
    jwt: {
      // NextAuth hands back what `decode` gave it: the cookie stays a ticket that names a row, whatever it is asked.
      encode: async ({ token }) =>
        token && typeof token.sid === 'string' && typeof token.generation === 'number'
          ? sealTicket({ sid: token.sid, generation: token.generation, userId: null })
          : '',
      decode: async ({ token }) => {
        const ticket = token ? openTicket(token) : null
        const facts = token && ticket ? await check({ [cookieName('session')]: token }) : null
        return facts && ticket ? { ...ticket, sub: facts.userId, facts } : null
      },
    },
    callbacks: {
      session: ({ session, token }) => {
        const facts = token.facts as Awaited<ReturnType<typeof check>>
        if (!facts) return session
        // To the apps beside us a guest is nobody: an empty session is how NextAuth says so.
        if (facts.guest) return {} as typeof session
        return {
          expires: new Date(facts.expiresAt).toISOString(),
          user: { id: facts.userId, roles: facts.roles },
          amr: facts.amr,
          acr: facts.acr,
          authTime: Math.floor(facts.authAt / 1000),
        }
      },
    },
    events: {
      signOut: async ({ token }) => {
        if (typeof token?.sid === 'string' && token.sub) {
          await revoke({ userId: token.sub, sid: token.sid }, { reason: 'signed_out' })
        }
      },
    },
  }
}
