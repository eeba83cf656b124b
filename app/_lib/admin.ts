/**
 * Who may see and change what operators do. Every page and every server action of /admin asks here for itself; to
 * everybody else there is nothing at all at these addresses (AZ1).
 */
import { notFound } from 'next/navigation'
import type { z } from 'zod'
import { factors, security, signin, users } from '@/lib'
import type { Refusal } from '@/lib/base/refusals'
import type { SessionFacts } from '@/lib/sessions'
import type { UserSummary } from '@/lib/users'
import { action, type FormState, type SignedIn, summaryOf, whoIs } from './guard'

const ROLE = 'admin'

/** As the row says now, never as a session or a cookie remembers it. */
export const isAdmin = (user: UserSummary | null): user is UserSummary =>
  user !== null && user.status === 'active' && !user.isAnonymous && user.roles.includes(ROLE)

/** For pages: an operator who is signed in, else there is no such page. @throws StoresDown */
export async function adminIn(): Promise<SignedIn & { user: UserSummary }> {
  const { caller, session } = await whoIs()
  const user = session && !session.guest ? await summaryOf(session.userId) : null
  if (!session || !isAdmin(user)) notFound()
  return { caller, session, user }
}

/**
 * Whether this session has to show two kinds of factor before it changes anything: its owner has them, or the operator
 * asks for them (SECOND_FACTOR). Who has none and need not have any may go on with what they have.
 */
export async function lacksSecond(session: SessionFacts): Promise<boolean> {
  if (session.acr === 'aal2') return false
  return (await mustHaveTwo(session)) || (await signin.couldReachAal2(session.userId))
}

/** The operator asks people with these roles for a second factor, and the time to put it off is over. */
export async function mustHaveTwo(session: SessionFacts): Promise<boolean> {
  const { asked, from } = security.standing(session, await factors.enrolled(session.userId))
  return asked === 'required' && from === null
}

async function mayAdminister(session: SessionFacts): Promise<Refusal | null> {
  // Read anew, whatever this request read before.
  if (!isAdmin(await users.get(session.userId))) return { code: 'not_found', status: 404 }
  return (await lacksSecond(session)) ? { code: 'proof_required', status: 403 } : null
}

/** The frame of every server action of /admin: that of `action`, for operators with a fresh proof alone. */
export const adminAction = <Schema extends z.ZodType>(
  form: FormData,
  options: { page: string; schema: Schema; draft?: string },
  run: (input: z.infer<Schema>, who: SignedIn) => Promise<FormState | Refusal>,
): Promise<FormState> => action(form, { ...options, fresh: true, may: mayAdminister }, run)
