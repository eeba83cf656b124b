import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', firstName, lastName }, caller) =>
    answer(flow, caller, '/signin', await signin.details(flow, { firstName, lastName }, caller)),
  )
