import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Signs in without linking the account elsewhere that the person came with. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '' }, caller) =>
    answer(flow, caller, '/signin', await signin.withoutLinking(flow, caller)),
  )
