import { answer, formPost, seeOther } from '@/app/_lib/login'
import { signin } from '@/lib'

/** Sends the browser to another provider. A post of one of our pages alone starts that: a link or an image cannot (CSRF3). */
export async function POST(
  request: Request,
  { params }: { params: Promise<{ provider: string }> },
): Promise<Response> {
  const { provider } = await params
  return formPost(request, async ({ flow = '' }, caller) => {
    const result = await signin.toProvider(flow, { provider }, caller)
    if (!result.ok) return answer(flow, caller, '/signin', result)
    if (result.value.step === 'away') return seeOther(result.value.url, result.value.setCookies)
    return answer(flow, caller, '/signin', { ok: true, value: result.value })
  })
}
