import { answer, at, formPost, oneOf, seeOther } from '@/app/_lib/login'
import { signin } from '@/lib'

const WAYS = ['totp', 'passkey', 'security_key'] as const

/** Takes a new second factor: the first code of an app, or what a new passkey or key answered. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', method: said, code, response, name }, caller) => {
    const method = oneOf(WAYS, said)
    if (!method) return seeOther(at('/signin/enroll', flow))
    const result = await signin.enroll(flow, { method, code, response, name }, caller)
    return answer(flow, caller, '/signin', result, method)
  })
