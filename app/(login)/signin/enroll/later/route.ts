import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Puts off what may be put off. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '' }, caller) =>
    answer(flow, caller, '/signin', await signin.postponeEnroll(flow, caller)),
  )
