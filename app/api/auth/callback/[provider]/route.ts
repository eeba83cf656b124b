import { answer, seeOther } from '@/app/_lib/login'
import { toRefused } from '@/app/_lib/refused'
import { linkedOutcome } from '@/app/(account)/account/linked/outcome'
import { federation, requests, signin } from '@/lib'

type Context = { params: Promise<{ provider: string }> }

/** Where a provider sends the browser back to. What it brings is judged by what the server kept, never by itself. */
export async function GET(request: Request, { params }: Context): Promise<Response> {
  const { provider } = await params
  const caller = requests.caller(request.headers)
  const arrived = await signin.fromProvider(provider, new URL(request.url).searchParams, caller)
  const response = await respond(arrived, caller)
  for (const line of arrived.setCookies) response.headers.append('set-cookie', line)
  return response
}

async function respond(
  arrived: Awaited<ReturnType<typeof signin.fromProvider>>,
  caller: Parameters<typeof answer>[1],
): Promise<Response> {
  if (arrived.purpose === 'sign_in') return answer(arrived.flow, caller, '/signin', arrived.result)
  if (arrived.purpose === null) return seeOther(`/problem?code=${arrived.refusal.code}`)
  const { result, returnTo } = arrived
  await linkedOutcome.keep(
    result.ok
      ? { kind: 'linked', name: result.value.name }
      : { kind: 'refused', ...toRefused(result.refusal) },
  )
  return seeOther(returnTo, result.ok ? result.value.setCookies : [])
}

const MAX_FORM_BYTES = 32_768

/**
 * What a provider posts from a page of its own (Apple's `form_post`). Such a post comes without our cookies, so it decides
 * nothing: it is kept, once, and the browser comes again by a GET.
 */
export async function POST(request: Request, { params }: Context): Promise<Response> {
  const { provider } = await params
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  const type = request.headers.get('content-type') ?? ''
  if (!(length <= MAX_FORM_BYTES) || !/^application\/x-www-form-urlencoded\b/i.test(type))
    return seeOther('/problem?code=invalid_input')
  const kept = await federation.keepPosted(provider, new URLSearchParams(await request.text()))
  return seeOther(kept.ok ? kept.value.url : `/problem?code=${kept.refusal.code}`)
}
