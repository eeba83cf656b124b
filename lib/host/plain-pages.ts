/**
 * The few answers the host gives by itself: refusals before anyone else is asked, "come back in a
 * moment", and the step that ends a form's way through redirects. JSON for programs, a page for people.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { localeOf, parseCookies } from '../base/caller'
import { env } from '../base/env'
import { type Language, language, type Messages, messages } from '../texts'

type Word = keyof Messages['host']

/** Nobody is identified here, so the language is the browser's. */
function wordsFor(req: IncomingMessage): { lang: Language; words: Messages['host'] } {
  const locale = localeOf(parseCookies(req.headers.cookie), req.headers['accept-language'])
  return { lang: language(locale), words: messages(locale).host }
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

const wantsHtml = (req: IncomingMessage): boolean => (req.headers.accept ?? '').includes('text/html')

/** So small that its hash stands in the policy of every answer that may be such a page. */
const STYLE =
  ':root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}body{margin:0;min-height:100vh;display:grid;place-items:center}main{max-width:26rem;padding:1.5rem;text-align:center}h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:0 0 1rem;opacity:.8}a{color:inherit}'

/** The source expression that lets the style sheet of these pages in. */
export const PLAIN_STYLE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`

const page = (lang: Language, title: string, text: string, head = '', more = ''): string =>
  `<!doctype html><html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">${head}<style>${STYLE}</style><title>${escapeHtml(title)} · ${escapeHtml(env().productName)}</title></head><body><main><h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p>${more}</main></body></html>`

export interface HostRefusal {
  status: number
  /** Names it to programs. */
  code: string
  title?: Word
  text: Word
  retryAfterSeconds?: number
}

/** Answers a request that goes no further. The headers every answer carries are set already. */
export function refuseRequest(
  req: IncomingMessage,
  res: ServerResponse,
  refusal: HostRefusal,
  values: Record<string, string> = {},
): void {
  const { lang, words } = wordsFor(req)
  const text = words[refusal.text].replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '')
  const html = wantsHtml(req)
  const body = html
    ? page(lang, words[refusal.title ?? 'refusedTitle'], text, reload(refusal))
    : JSON.stringify({ error: refusal.code, message: text })
  res.statusCode = refusal.status
  if (refusal.retryAfterSeconds) res.setHeader('Retry-After', String(refusal.retryAfterSeconds))
  res.setHeader('Content-Type', html ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8')
  // What is left of a body we do not read would be taken for the next request.
  if (!req.complete && req.method !== 'GET' && req.method !== 'HEAD') res.setHeader('Connection', 'close')
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.end(req.method === 'HEAD' ? undefined : body)
}

/** A page that says "come back" does so by itself; never a form's answer, which would be posted again. */
const reload = ({ retryAfterSeconds }: HostRefusal): string =>
  retryAfterSeconds ? `<meta http-equiv="refresh" content="${retryAfterSeconds}">` : ''

/** The same refusal as a whole page, for an answer that someone else has begun. */
export function refusalPage(req: IncomingMessage, refusal: HostRefusal): string {
  const { lang, words } = wordsFor(req)
  return page(lang, words[refusal.title ?? 'refusedTitle'], words[refusal.text], reload(refusal))
}

/** Leads on to `location` by a navigation of its own; the link is for browsers told not to refresh. */
export function onwardPage(req: IncomingMessage, location: string): string {
  const { lang, words } = wordsFor(req)
  return page(
    lang,
    words.onwardTitle,
    words.onward,
    `<meta http-equiv="refresh" content="0;url=${escapeHtml(location)}">`,
    `<p><a href="${escapeHtml(location)}">${escapeHtml(words.onwardLink)}</a></p>`,
  )
}
