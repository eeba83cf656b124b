import { notify } from '@/lib'
import { open } from '../../access'

/**
 * A mail's HTML for the frame in which the mailbox shows it. The host answers this path with a policy
 * of its own: sandboxed, no scripts, inline styles only.
 */
export async function GET(
  request: Request,
  { params }: { params: Promise<{ id: string }> },
): Promise<Response> {
  const mail = open(request.headers) ? await notify.mailbox.get((await params).id) : null
  if (!mail) return new Response(null, { status: 404 })
  return new Response(mail.html.replace('<head>', '<head><base target="_blank">'), {
    headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
  })
}
