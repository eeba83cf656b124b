import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Takes what a passkey or a security key answered, as first or as second proof. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', method, response, trust }, caller) => {
    const result = await signin.passkey(flow, { response, trust: trust === '1' }, caller)
    return answer(flow, caller, '/signin', result, method)
  })
