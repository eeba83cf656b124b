import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', code = '' }, caller) => {
    const result = await signin.verify(flow, { code }, caller)
    const page = result.ok && result.value.step === 'identify' ? '/signup' : '/verify'
    return answer(flow, caller, page, result)
  })
