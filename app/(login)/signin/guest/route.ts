import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Goes on without an account, at an app that takes guests. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '' }, caller) =>
    answer(flow, caller, '/signin', await signin.asGuest(flow, caller)),
  )
