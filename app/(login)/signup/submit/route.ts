import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', email = '', password = '', firstName, lastName }, caller) =>
    answer(
      flow,
      caller,
      '/signup',
      await signin.signUp(flow, { email, password, firstName, lastName }, caller),
    ),
  )
