/**
 * Forms of the login that are answered without Next, whose way to a route handler costs more than all that the host does. They
 * are what people wait for most. The routes of the same paths in app/ do the same by the same handlers: whatever is not a
 * plain form of a usual size goes there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../base/caller'
import { fieldsOf, type Handler, MAX_BYTES } from '../forms'

export type Forms = Readonly<Partial<Record<string, Handler>>>

const PLAIN_FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i

/** Who answers this request here; null: Next does. */
export function handlerOf(req: IncomingMessage, pathname: string, forms: Forms): Handler | null {
  if (req.method !== 'POST' || !Object.hasOwn(forms, pathname)) return null
  const { 'content-type': type = '', 'content-length': length, 'next-action': action } = req.headers
  // The length was said, or the request would have been refused.
  if (action !== undefined || !PLAIN_FORM.test(type) || !(Number(length) <= MAX_BYTES)) return null
  return forms[pathname] ?? null
}

/** Null when the sender went away before it was all here. */
async function bodyOf(req: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of req) chunks.push(chunk)
  } catch (error) {
    if (req.complete) throw error
    return null
  }
  return Buffer.concat(chunks).toString('utf8')
}

export async function answerForm(
  req: IncomingMessage,
  res: ServerResponse,
  handle: Handler,
  caller: Caller,
): Promise<void> {
  const said = await bodyOf(req)
  if (said === null) return
  const { status, headers, setCookies, body } = await handle(fieldsOf(new URLSearchParams(said)), caller)
  for (const name in headers) res.setHeader(name, headers[name] ?? '')
  if (setCookies.length > 0) res.appendHeader('set-cookie', setCookies)
  res.setHeader('content-length', Buffer.byteLength(body ?? ''))
  res.writeHead(status)
  res.end(body ?? undefined)
}
