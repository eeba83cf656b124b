import { answer, formPost } from '@/app/_lib/login'
import { signin } from '@/lib'

export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', way, email = '', password = '', firstName, lastName }, caller) => {
    const how = way === 'passkey' ? ({ way } as const) : ({ way: 'password', password } as const)
    const result = await signin.signUp(flow, { ...how, email, firstName, lastName }, caller)
    return answer(flow, caller, '/signup', result, way === 'passkey' ? way : undefined)
  })
