import { requests, signin } from '@/lib'

const MAX_FORM_BYTES = 32_768

/**
 * A provider's server says that a session is over there (OpenID Connect Back-Channel Logout 1.0, section 2.5). What it says
 * is a signed token; who sends it does not matter.
 */
export async function POST(
  request: Request,
  { params }: { params: Promise<{ provider: string }> },
): Promise<Response> {
  const { provider } = await params
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  const [token, ...more] =
    length <= MAX_FORM_BYTES ? new URLSearchParams(await request.text()).getAll('logout_token') : []
  if (!token || more.length > 0) return refused(400)
  const ended = await signin.endedUpstream(provider, token, requests.caller(request.headers))
  if (ended.ok) return new Response(null, { status: 200, headers: { 'cache-control': 'no-store' } })
  const { status, retryAfterSeconds } = ended.refusal
  return status === 429 || status === 503 ? refused(status, retryAfterSeconds ?? 60) : refused(400)
}

/** Section 2.8: 400 for a token that does not hold, and nothing of why but to our own log. */
const refused = (status: number, retryAfterSeconds?: number): Response =>
  Response.json(
    { error: 'invalid_request' },
    {
      status,
      headers: {
        'cache-control': 'no-store',
        ...(retryAfterSeconds && { 'retry-after': String(retryAfterSeconds) }),
      },
    },
  )
