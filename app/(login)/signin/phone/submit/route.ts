import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Signs in without a password: a code goes to the phone. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', phone = '', country }, caller) =>
    answer(flow, caller, '/signin/phone', await signin.phoneCode(flow, { phone, country }, caller)),
  )
