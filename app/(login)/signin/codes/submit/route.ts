import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

/** The backup codes are saved: from now on nobody can read them any more. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '' }, caller) =>
    answer(flow, caller, '/signin', await signin.savedCodes(flow, caller)),
  )
