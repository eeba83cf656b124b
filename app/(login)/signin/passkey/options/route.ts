import { formPost } from '@/app/_lib/login'
import { refusalText } from '@/components/login/words'
import { signin } from '@/lib'

/** What the browser's passkey dialog is asked for, by the step of the attempt; or why not, in words. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', method, conditional }, caller) => {
    const asked = await signin.passkeyOptions(flow, caller, {
      kind: method === 'security_key' ? 'security_key' : 'passkey',
      conditional: conditional === '1',
    })
    const headers = new Headers({ 'cache-control': 'no-store' })
    if (asked.ok) return Response.json(asked.value, { headers })
    const { status, retryAfterSeconds } = asked.refusal
    if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds))
    return Response.json({ message: await refusalText(asked.refusal) }, { status, headers })
  })
