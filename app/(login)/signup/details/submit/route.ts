import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', email, firstName, lastName }, caller) =>
    answer(flow, caller, '/signin', await signin.details(flow, { email, firstName, lastName }, caller)),
  )
