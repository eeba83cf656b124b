/** The event stream of a session, by real sockets on a real host, with real sessions behind it. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { key } from '../base/keys'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import { type ListeningHost, listeningHost } from './host.fixture'
import { sessionEvents } from './session-events'

const stores = useStores()
let host: ListeningHost
let port = 0
const ORIGIN = 'http://localhost:3000'

async function makeHost(): Promise<ListeningHost> {
  const made = await listeningHost({
    pages: async (_, res) => void res.end('page'),
    checkSession: sessions.check,
    sessionEvents: sessionEvents(sessions),
  })
  port = made.port
  return made
}

beforeAll(async () => {
  // Looking happens when a test says so.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  Object.assign(process.env, { NODE_ENV: 'test', GATEHOUSE_URL: ORIGIN })
  reloadEnv()
  await sessions.start()
  host = await makeHost()
  return async () => {
    await host.drain(0)
    await sessions.stop()
    vi.useRealTimers()
  }
})

const open: ClientRequest[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.destroy()
  setClock(null)
})

async function newUser(): Promise<string> {
  const { rows } = await stores.sql(`INSERT INTO users (status) VALUES ('active') RETURNING id::text`)
  return rows[0].id
}

async function signIn(userId: string) {
  const proofs = [{ method: 'password', amr: ['pwd'], at: Date.now() }]
  const opened = await sessions.open({ userId, method: 'password', proofs, caller: testCaller() })
  if (!opened.ok) throw new Error(opened.refusal.code)
  const { facts, setCookies } = opened.value
  return { ...facts, cookie: setCookies.map((line) => line.split(';')[0]).join('; ') }
}

const PATH = '/api/session/events'

function ask(headers: Record<string, string>, path = PATH, method = 'GET'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      agent: false,
      headers: { Host: 'localhost:3000', ...headers },
    })
    open.push(asked)
    asked.on('response', resolve).on('error', reject).end()
  })
}

/** Opens the stream; `heard` grows as events arrive. */
async function listen(cookie: string, headers: Record<string, string> = {}) {
  const res = await ask({ Cookie: cookie, ...headers })
  const stream = {
    status: res.statusCode,
    headers: res.headers,
    heard: [] as { event: string; data: unknown }[],
    text: '',
    over: false,
  }
  res.on('error', () => {})
  res.on('end', () => {
    stream.over = true
  })
  res.setEncoding('utf8').on('data', (chunk: string) => {
    stream.text += chunk
    stream.heard = [...stream.text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(
      ([, event = '', data = '']) => ({ event, data: JSON.parse(data) }),
    )
  })
  if (stream.status === 200) await vi.waitFor(() => expect(stream.heard[0]?.event).toBe('hello'), 15_000)
  return stream
}

describe('the stream of a session', () => {
  it('tells of a sign-in elsewhere, of an end elsewhere, and of its own end, which closes it', async () => {
    const userId = await newUser()
    const own = await signIn(userId)
    const stream = await listen(own.cookie)
    const other = await signIn(userId)
    await vi.waitFor(
      () => expect(stream.heard.at(-1)).toEqual({ event: 'sessions', data: { what: 'opened' } }),
      15_000,
    )
    await sessions.revoke({ userId, sid: other.sid }, { reason: 'user' })
    await vi.waitFor(
      () => expect(stream.heard.at(-1)).toEqual({ event: 'sessions', data: { what: 'ended' } }),
      15_000,
    )
    await sessions.revoke({ userId, sid: own.sid }, { reason: 'user' })
    await vi.waitFor(() => expect(stream.over).toBe(true), 15_000)
    expect(stream.heard.at(-1)).toEqual({ event: 'ended', data: { reason: 'user' } })
    expect((await listen(own.cookie)).status).toBe(401)
  })

  it('ends with all sessions, and stays when all others end', async () => {
    const userId = await newUser()
    const [here, there] = [await signIn(userId), await signIn(userId)]
    const [stays, ends] = [await listen(here.cookie), await listen(there.cookie)]
    await sessions.revoke({ userId, exceptSid: here.sid }, { reason: 'user' })
    await vi.waitFor(() => expect(ends.over).toBe(true), 15_000)
    expect(stays.over).toBe(false)
    await sessions.revoke({ userId, all: true }, { reason: 'locked_down' })
    await vi.waitFor(() => expect(stays.over).toBe(true), 15_000)
    expect(stays.heard.at(-1)).toEqual({ event: 'ended', data: { reason: 'locked_down' } })
  })

  it('event_stream_of_another_user_tells_nothing', async () => {
    const [ada, eve] = [await newUser(), await newUser()]
    const [hers, evil] = [await signIn(ada), await signIn(eve)]
    const [witness, stream] = [await listen(hers.cookie), await listen(evil.cookie)]
    const another = await signIn(ada)
    await sessions.revoke({ userId: ada, sid: another.sid }, { reason: 'user' })
    await vi.waitFor(() => expect(witness.heard).toHaveLength(3), 15_000)
    await sessions.revoke({ userId: ada, all: true }, { reason: 'user' })
    await vi.waitFor(() => expect(witness.over).toBe(true), 15_000)
    expect(stream.heard).toEqual([{ event: 'hello', data: { sid: evil.sid } }])
    // Nor is there a way to name whose events one wants.
    const asked = await ask({}, `${PATH}?userId=${ada}&sid=${hers.sid}`)
    expect(asked.statusCode).toBe(401)
  })

  it('event_stream_carries_no_secret_and_is_kept_by_nobody', async () => {
    const userId = await newUser()
    const own = await signIn(userId)
    const stream = await listen(own.cookie)
    const other = await signIn(userId)
    await vi.waitFor(() => expect(stream.heard).toHaveLength(2), 15_000)
    expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    expect(stream.headers['cache-control']).toBe('no-store, no-transform')
    expect(stream.headers['x-accel-buffering']).toBe('no')
    expect(stream.headers['content-security-policy']).toContain("default-src 'none'")
    for (const secret of [userId, other.sid, own.cookie.split('=')[1] ?? '', '203.0.113.7']) {
      expect(stream.text).not.toContain(secret)
    }
  })

  it('event_stream_is_refused_to_anybody_else', async () => {
    const { cookie } = await signIn(await newUser())
    expect((await listen('')).status).toBe(401)
    const bent = cookie.replace(/=(.{20})(.)/, (_, head, one) => `=${head}${one === 'A' ? 'B' : 'A'}`)
    expect((await listen(bent)).status).toBe(401)
    for (const site of ['cross-site', 'same-site', 'none']) {
      expect((await listen(cookie, { 'Sec-Fetch-Site': site })).status).toBe(403)
    }
    expect((await listen(cookie, { 'Sec-Fetch-Site': 'same-origin' })).status).toBe(200)
    const posted = await ask({ Cookie: cookie, Origin: ORIGIN }, PATH, 'POST')
    expect(posted.statusCode).toBe(405)
  })

  it('streams_of_one_person_are_bounded_and_free_their_places', async () => {
    const { cookie } = await signIn(await newUser())
    for (let i = 0; i < 30; i++) expect((await listen(cookie)).status).toBe(200)
    expect((await listen(cookie)).status).toBe(429)
    // Somebody else is not kept out by it.
    const stranger = await signIn(await newUser())
    expect((await listen(stranger.cookie)).status).toBe(200)
    open.shift()?.destroy()
    await vi.waitFor(async () => expect((await listen(cookie)).status).toBe(200), 15_000)
  })

  it('session_that_ended_without_a_message_ends_its_stream_within_five_seconds', async () => {
    const { cookie, sid, userId } = await signIn(await newUser())
    const stream = await listen(cookie)
    await stores.sql(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'x' WHERE id = $1`, [sid])
    await stores.redis().set(key('sessionValid', sid), 'revoked')
    const at = Date.now()
    setClock(() => at + 5001)
    vi.advanceTimersByTime(5000)
    await vi.waitFor(() => expect(stream.over).toBe(true), 15_000)
    expect(stream.heard.at(-1)).toEqual({ event: 'ended', data: { reason: 'over' } })
    expect(userId).toBeTruthy()
  })

  it('open_page_keeps_no_session_from_becoming_idle', async () => {
    const { cookie, sid, lastActiveAt, idleSeconds } = await signIn(await newUser())
    const at = Date.now()
    setClock(() => at + 120_000)
    const stream = await listen(cookie)
    vi.advanceTimersByTime(5000)
    await vi.waitFor(() => expect(stream.heard).toHaveLength(1), 15_000)
    const facts = await sessions.alive(sid)
    expect(facts?.lastActiveAt).toBe(lastActiveAt)
    setClock(() => lastActiveAt + idleSeconds * 1000 + 1)
    vi.advanceTimersByTime(5000)
    await vi.waitFor(() => expect(stream.over).toBe(true), 15_000)
  })

  it('sends a sign of life four times a minute at least, which is no event', async () => {
    const { cookie } = await signIn(await newUser())
    const stream = await listen(cookie)
    vi.advanceTimersByTime(20_000)
    await vi.waitFor(() => expect(stream.text).toMatch(/\n:\n\n$/), 15_000)
    expect(stream.heard).toHaveLength(1)
  })

  it('a stop does not wait for it', async () => {
    const { cookie } = await signIn(await newUser())
    const before = port
    const second = await makeHost()
    const stream = await listen(cookie)
    await second.drain(60_000)
    port = before
    await vi.waitFor(() => expect(stream.over).toBe(true), 15_000)
  })
})
