import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Signs in without a password: a code goes to the address. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', email = '' }, caller) =>
    answer(flow, caller, '/signin', await signin.emailCode(flow, { email }, caller)),
  )
