import { answer, formPost, saysYes } from '@/app/_lib/login'
import { signin } from '@/lib'

export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', email = '', password = '', canPasskey }, caller) =>
    answer(
      flow,
      caller,
      '/signin',
      await signin.password(flow, { email, password, canPasskey: saysYes(canPasskey) }, caller),
    ),
  )
