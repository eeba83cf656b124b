import { answer, at, formPost, oneOf, seeOther } from '@/app/_lib/login'
import { signin } from '@/lib'

const SENT = ['email_code', 'sms_code'] as const

/** Sends the code of a second step, by mail or text message. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', method: said }, caller) => {
    const method = oneOf(SENT, said)
    if (!method) return seeOther(at('/signin/second', flow))
    return answer(flow, caller, '/signin', await signin.sendSecond(flow, { method }, caller), method)
  })
