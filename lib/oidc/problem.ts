/** Shows what went wrong: JSON to programs, the host's page to people, and a plain page when there is no host. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Problem } from './context'

type Render = (req: IncomingMessage, res: ServerResponse, problem: Problem) => void | Promise<void>

const wantsPage = (req: IncomingMessage): boolean => /\btext\/html\b/.test(req.headers.accept ?? '')

export async function showProblem(
  req: IncomingMessage,
  res: ServerResponse,
  problem: Problem,
  render?: Render,
): Promise<void> {
  if (res.headersSent) return
  res.statusCode = problem.status
  res.setHeader('Cache-Control', 'no-store')
  if (problem.retryAfterSeconds) res.setHeader('Retry-After', String(problem.retryAfterSeconds))
  if (wantsPage(req) && render) return render(req, res, problem)
  const [type, body] = wantsPage(req) ? ['text/html', page(problem)] : ['application/json', json(problem)]
  res.setHeader('Content-Type', `${type}; charset=utf-8`)
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.end(req.method === 'HEAD' ? undefined : body)
}

const json = ({ error, description, requestId }: Problem): string =>
  JSON.stringify({ error, ...(description && { error_description: description }), request_id: requestId })

const inert = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

const page = ({ error, description, requestId }: Problem): string => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>This sign-in cannot go on</title>
<h1>This sign-in cannot go on</h1>
<p>${inert(description ?? error)}</p>
<p><small>${inert(error)} · ${inert(requestId)}</small></p>
</html>`
