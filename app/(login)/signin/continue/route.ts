import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Completes an attempt whose every proof is given but whose last answer got lost. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '' }, caller) =>
    answer(flow, caller, '/signin', await signin.complete(flow, caller)),
  )
