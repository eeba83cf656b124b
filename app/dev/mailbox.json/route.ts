import { notify } from '@/lib'
import { open } from '../mailbox/access'

/** The mailbox for scripts and tests: `?to=` filters, `?limit=` bounds; newest first. */
export async function GET(request: Request): Promise<Response> {
  if (!open(request.headers)) return new Response(null, { status: 404 })
  const query = new URL(request.url).searchParams
  const limit = Number(query.get('limit') ?? 50)
  const to = query.get('to')
  const messages = await notify.mailbox.list({
    ...(to ? { to } : {}),
    limit: Number.isInteger(limit) && limit > 0 ? Math.min(limit, 200) : 50,
  })
  return Response.json(messages, { headers: { 'cache-control': 'no-store' } })
}
