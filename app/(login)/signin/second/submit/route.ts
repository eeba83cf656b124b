import { answer, at, formPost, oneOf, seeOther } from '@/app/_lib/login'
import { signin } from '@/lib'

const TYPED = ['totp', 'password', 'backup_code', 'email_code', 'sms_code'] as const

/** Takes the second proof, where it is typed. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', method: said, code = '', trust }, caller) => {
    const method = oneOf(TYPED, said)
    if (!method) return seeOther(at('/signin/second', flow))
    const result = await signin.second(flow, { method, code, trust: trust === '1' }, caller)
    return answer(flow, caller, '/signin', result, method)
  })
