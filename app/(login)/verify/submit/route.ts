import { answer, formPost, saysYes } from '@/app/_lib/login'
import { signin } from '@/lib'

export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', code = '', canPasskey }, caller) => {
    const result = await signin.verify(flow, { code, canPasskey: saysYes(canPasskey) }, caller)
    const page = result.ok && result.value.step === 'identify' ? '/signup' : '/verify'
    return answer(flow, caller, page, result)
  })
