import { answer, at, formPost, seeOther } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Completes an attempt whose every proof is given but whose last answer got lost; one that is over already leads on from there. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '' }, caller) => {
    const completed = await signin.complete(flow, caller)
    return completed.ok ? answer(flow, caller, '/signin', completed) : seeOther(at('/signin/done', flow))
  })
