import { formPost, seeOther } from '@/app/_lib/login'
import { keepOutcome, refusedOutcome } from '@/app/(account)/account/emails/outcome'
import { security, sessions } from '@/lib'

const PAGE = '/account/emails'

/** Takes the code of a mail's link, in the browser that asked for it. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ id = '', code = '' }, caller) => {
    const facts = await sessions.check(caller.cookies)
    if (!facts) return seeOther(PAGE)
    const verified = await security.emails.verify(facts, id, code, caller)
    if (!verified.ok) {
      await keepOutcome(refusedOutcome(verified.refusal))
      return seeOther(`${PAGE}?verify=${encodeURIComponent(id)}`)
    }
    await keepOutcome({ kind: 'verified', id, address: verified.value.address })
    return seeOther(PAGE)
  })
