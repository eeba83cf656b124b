/**
 * GET /api/session/events: server-sent events (WHATWG HTML, section 9.2) for the open pages of one session. They say
 * that something about the person's sessions changed (`sessions`) and that this one is over (`ended`); no event
 * carries a secret, an address or anything of another person. Answered without Next.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../base/caller'
import { log } from '../base/log'
import { StoresDown } from '../base/refusals'
import type { RevokedMessage, SessionFacts } from '../sessions'

interface Sessions {
  /** Who is signed in; does not count as activity. */
  peek(cookies: Record<string, string>): Promise<SessionFacts | null>
  alive(sid: string): Promise<SessionFacts | null>
  onRevoked(fn: (message: RevokedMessage) => void): () => void
  onOpened(fn: (message: { userId: string; sid: string }) => void): () => void
}

export interface SessionEvents {
  answer(
    req: IncomingMessage,
    res: ServerResponse,
    headers: Record<string, string>,
    caller: Caller,
  ): Promise<void>
  /** Ends every stream, so that a stop does not wait for them. */
  close(): void
}

interface Stream {
  res: ServerResponse
  sid: string
  userId: string
  network: string
}

/** Open pages that one person, and one network, may have; a browser has one for each page that is in sight. */
const MAX_OF_USER = 30
const MAX_OF_NETWORK = 200
const MAX = 5000
/** No message may be relied on: this often it is looked whether the session lives. The bound of a lost message. */
const LOOK_EVERY_MS = 5000
/** A line that means nothing, so that no proxy takes the silence for the end. */
const BEATS_BETWEEN = 4
/** Who does not read what little is written is gone. */
const MAX_UNREAD = 16_384

const REFUSED = {
  401: '{"error":"session_required"}',
  403: '{"error":"csrf"}',
  429: '{"error":"rate_limited"}',
  503: '{"error":"stores_down"}',
} as const

export function sessionEvents(sessions: Sessions): SessionEvents {
  const streams = new Map<string, Set<Stream>>()
  const networks = new Map<string, number>()
  let count = 0
  let closed = false

  function add(stream: Stream): void {
    const own = streams.get(stream.userId) ?? new Set()
    streams.set(stream.userId, own.add(stream))
    networks.set(stream.network, (networks.get(stream.network) ?? 0) + 1)
    count++
    stream.res.once('close', () => {
      own.delete(stream)
      if (own.size === 0 && streams.get(stream.userId) === own) streams.delete(stream.userId)
      const left = (networks.get(stream.network) ?? 1) - 1
      if (left > 0) networks.set(stream.network, left)
      else networks.delete(stream.network)
      count--
    })
  }

  const crowded = (userId: string, network: string): boolean =>
    count >= MAX ||
    (streams.get(userId)?.size ?? 0) >= MAX_OF_USER ||
    (networks.get(network) ?? 0) >= MAX_OF_NETWORK

  function write({ res }: Stream, text: string): void {
    if (res.writableEnded) return
    if (res.writableLength > MAX_UNREAD) res.destroy()
    else res.write(text)
  }

  function end(stream: Stream, reason: string): void {
    if (stream.res.writableEnded) return
    write(stream, event('ended', { reason }))
    stream.res.end()
  }

  const stopListening = [
    sessions.onRevoked(({ userId, sids, all, exceptSid, reason }) => {
      for (const stream of streams.get(userId) ?? []) {
        if (sids.includes(stream.sid) || (all && stream.sid !== exceptSid)) end(stream, reason)
        else write(stream, event('sessions', { what: 'ended' }))
      }
    }),
    sessions.onOpened(({ userId, sid }) => {
      for (const stream of streams.get(userId) ?? []) {
        if (stream.sid !== sid) write(stream, event('sessions', { what: 'opened' }))
      }
    }),
  ]

  async function look(stream: Stream, beat: boolean): Promise<void> {
    try {
      if (!(await sessions.alive(stream.sid))) return end(stream, 'over')
    } catch (error) {
      // It is not known, and that is no end.
      if (!(error instanceof StoresDown)) log().error({ err: error }, 'a stream was not looked after')
    }
    if (beat) write(stream, ':\n\n')
  }

  let looks = 0
  const looking = setInterval(() => {
    const beat = ++looks % BEATS_BETWEEN === 0
    for (const own of streams.values()) for (const stream of own) void look(stream, beat)
  }, LOOK_EVERY_MS)
  looking.unref()

  async function answer(
    req: IncomingMessage,
    res: ServerResponse,
    headers: Record<string, string>,
    caller: Caller,
  ): Promise<void> {
    const refuse = (status: keyof typeof REFUSED) => {
      const body = REFUSED[status]
      res.writeHead(status, {
        ...headers,
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': Buffer.byteLength(body),
        ...(status === 429 && { 'Retry-After': '60' }),
        ...(status === 503 && { 'Retry-After': '2' }),
      })
      res.end(body)
    }
    // Only our own pages have a use for it; another site's could at most hold places that are somebody's.
    if (!['same-origin', undefined].includes(req.headers['sec-fetch-site'] as string | undefined)) {
      return refuse(403)
    }
    let facts: SessionFacts | null
    try {
      facts = await sessions.peek(caller.cookies)
    } catch (error) {
      if (!(error instanceof StoresDown)) throw error
      return refuse(503)
    }
    if (!facts) return refuse(401)
    if (closed) return refuse(503)
    if (crowded(facts.userId, caller.ipPrefix)) return refuse(429)
    const stream: Stream = { res, sid: facts.sid, userId: facts.userId, network: caller.ipPrefix }
    add(stream)
    res.writeHead(200, {
      ...headers,
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store, no-transform',
      // nginx keeps an answer back until it is large enough.
      'X-Accel-Buffering': 'no',
    })
    req.socket.setNoDelay(true)
    // Which session it is: a page that shows another's must not go on.
    write(stream, `retry: 2000\n\n${event('hello', { sid: facts.sid })}`)
    // It may have ended between the question and the place in the list.
    await look(stream, false)
  }

  return {
    answer,
    close() {
      closed = true
      clearInterval(looking)
      for (const stop of stopListening) stop()
      for (const own of streams.values()) for (const { res } of own) res.end()
    },
  }
}

const event = (name: string, data: Record<string, string>): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
