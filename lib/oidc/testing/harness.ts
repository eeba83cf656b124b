/**
 * A portal for protocol tests: the real provider on a real port and real stores, with a few lines in
 * place of the pages. `Browser` is a person's browser with a cookie jar; `Person` signs in through
 * sessions.open, as the sign-in room does.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { callerFrom } from '../../base/caller'
import { nowMs } from '../../base/clock'
import { inTx } from '../../base/db'
import { reloadEnv } from '../../base/env'
import { uuid } from '../../base/ids'
import * as sessions from '../../sessions'
import * as users from '../../users'
import * as oidc from '../index'

export interface Portal {
  url: string
  issuer: string
  server: Server
  problems: oidc.Problem[]
  stop(): Promise<void>
}

const cookiesOf = (req: IncomingMessage) =>
  callerFrom((name) => [req.headers[name]].flat()[0], req.socket.remoteAddress)

const seeOther = (res: ServerResponse, url: string | null, setCookies: string[] = []) => {
  if (!url) {
    res.writeHead(410)
    res.end('gone')
    return
  }
  if (setCookies.length > 0) res.setHeader('Set-Cookie', setCookies)
  res.writeHead(303, { Location: url })
  res.end()
}

const show = (res: ServerResponse, value: unknown, status = 200) => {
  res.writeHead(status, { 'Content-Type': 'application/json' })
  res.end(JSON.stringify(value))
}

async function form(req: IncomingMessage): Promise<URLSearchParams> {
  let body = ''
  for await (const chunk of req) body += chunk
  return new URLSearchParams(body)
}

/** The pages' part, as short as it can be. */
async function pages(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
  const caller = cookiesOf(req)
  const facts = await sessions.check(caller.cookies)
  const body = req.method === 'POST' ? await form(req) : url.searchParams
  const uid = body.get('request') ?? ''
  switch (`${req.method} ${url.pathname}`) {
    case 'GET /signin/start': {
      const view = await oidc.request(uid, caller)
      if (view && facts && oidc.loginSatisfied(view, facts))
        return seeOther(res, await oidc.finishLogin(uid, caller, facts))
      return show(res, { page: 'sign-in', view }, view ? 200 : 410)
    }
    case 'POST /signin': {
      const userId = body.get('user') ?? ''
      const opened = await sessions.open({
        userId,
        method: 'password',
        proofs: [
          body.get('undated')
            ? { method: 'oauth', amr: ['fed'], at: nowMs(), undated: true as const }
            : { method: 'password', amr: ['pwd'], at: nowMs() },
          ...(body.get('second') ? [{ method: 'totp', amr: ['otp'], at: nowMs() }] : []),
        ],
        caller,
        previous: facts,
        trust: body.get('trust') === '1',
        secondSkipped: !body.get('second') && (await sessions.trustedDevice(userId, caller.cookies)) !== null,
      })
      if (!opened.ok) return show(res, opened.refusal, opened.refusal.status)
      const next = uid ? await oidc.finishLogin(uid, caller, opened.value.facts) : '/'
      return seeOther(res, next, opened.value.setCookies)
    }
    case 'POST /signin/guest': {
      const id = uuid()
      await inTx((tx) => users.addGuest(tx, { id, locale: 'en', caller }))
      const proofs = [{ method: 'guest', amr: [], at: nowMs() }]
      const opened = await sessions.open({ userId: id, method: 'guest', proofs, caller, previous: facts })
      if (!opened.ok) return show(res, opened.refusal, opened.refusal.status)
      const next = uid ? await oidc.finishLogin(uid, caller, opened.value.facts) : '/'
      return seeOther(res, next, opened.value.setCookies)
    }
    case 'POST /signin/on':
      return seeOther(res, facts && (await oidc.finishLogin(uid, caller, facts)))
    case 'GET /consent':
      return show(res, { page: 'consent', view: await oidc.request(uid, caller) })
    case 'GET /no-entry':
      return show(res, { page: 'no-entry', view: await oidc.request(uid, caller) })
    case 'POST /consent': {
      if (!facts) return show(res, {}, 401)
      return seeOther(
        res,
        body.get('decision') === 'deny'
          ? await oidc.deny(uid, caller, facts)
          : await oidc.approve(uid, caller, facts),
      )
    }
    case 'POST /device': {
      if (!facts) return show(res, {}, 401)
      const taken = await oidc.claimDevice(body.get('user_code') ?? '', facts, caller)
      return show(
        res,
        taken.ok ? await oidc.device(facts) : taken.refusal,
        taken.ok ? 200 : taken.refusal.status,
      )
    }
    case 'POST /device/decide': {
      if (!facts) return show(res, {}, 401)
      if (body.get('decision') === 'deny') {
        return show(res, {
          denied: await oidc.denyDevice(
            facts,
            body.get('device') ?? (await oidc.device(facts))?.mark ?? '',
            caller,
          ),
        })
      }
      const next = await oidc.approveDevice(
        facts,
        body.get('device') ?? (await oidc.device(facts))?.mark ?? '',
      )
      return seeOther(res, next?.url ?? null, next?.setCookies)
    }
    case 'GET /device/done':
      return show(res, { page: 'done', view: facts && (await oidc.device(facts)) })
    case 'GET /signout':
      return show(res, { page: 'sign-out', view: facts && (await oidc.logoutRequest(uid, facts)) })
    case 'POST /signout': {
      const outcome = facts && (await oidc.finishLogout(uid, caller, facts))
      return seeOther(res, outcome ? outcome.url : null, outcome?.setCookies)
    }
    default:
      return show(
        res,
        { page: url.pathname },
        url.pathname === '/' || url.pathname === '/signed-out' ? 200 : 404,
      )
  }
}

/** Starts the portal on a free port; call inside beforeAll, after useStores(). */
export async function startPortal(options: { page?: boolean } = {}): Promise<Portal> {
  const problems: oidc.Problem[] = []
  const renderProblem: oidc.HandleOptions['renderProblem'] = (_req, res, problem) => {
    problems.push(problem)
    res.setHeader('Content-Type', 'text/html')
    res.end(`<h1>${problem.error}</h1>`)
  }
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://placeholder')
    const ours = /^\/(oidc|\.well-known)\//.test(url.pathname)
    const work = ours
      ? oidc.handle(req, res, options.page === false ? {} : { renderProblem })
      : pages(req, res, url)
    work.catch((error) => {
      if (!res.headersSent) show(res, { bug: String(error?.stack ?? error) }, 500)
      else res.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  process.env.GATEHOUSE_URL = url
  // All tests ask from one address.
  process.env.LIMIT_REQUESTS_BURST ??= '100000'
  reloadEnv()
  await sessions.start()
  await oidc.start()
  return {
    url,
    issuer: `${url}/oidc`,
    server,
    problems,
    stop: async () => {
      await oidc.stop()
      await sessions.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface Stopped {
  status: number
  /** Where the browser is: the address that answered, or the app's address it was sent to. */
  url: URL
  body: string
  headers: Headers
  /** How many redirects it took from the start. */
  hops: number
}

/** A person's browser: keeps cookies, follows redirects on the portal, stops where it would leave it. */
export class Browser {
  readonly cookies = new Map<string, string>()
  constructor(readonly portal: Portal) {}

  async fetch(target: string | URL, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.cookies.size > 0)
      headers.set('cookie', [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; '))
    if (!headers.has('accept')) headers.set('accept', 'text/html')
    const res = await fetch(new URL(target, this.portal.url), { ...init, headers, redirect: 'manual' })
    for (const line of res.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';')
      const at = pair.indexOf('=')
      const gone = attributes.some((a) => /^\s*max-age=0$/i.test(a))
      if (gone) this.cookies.delete(pair.slice(0, at))
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return res
  }

  async go(target: string | URL, init: RequestInit = {}): Promise<Stopped> {
    let url = new URL(target, this.portal.url)
    let res = await this.fetch(url, init)
    let hops = 0
    for (;;) {
      const location = res.headers.get('location')
      if (!location || res.status < 300 || res.status > 399) break
      await res.arrayBuffer()
      url = new URL(location, url)
      hops++
      if (url.origin !== this.portal.url)
        return { status: res.status, url, body: '', headers: res.headers, hops }
      res = await this.fetch(url)
    }
    return { status: res.status, url, body: await res.text(), headers: res.headers, hops }
  }

  post(target: string, fields: Record<string, string>): Promise<Stopped> {
    return this.go(target, { method: 'POST', body: new URLSearchParams(fields) })
  }

  /**
   * Signs in on the page the browser stands at (its `request`), or without any request.
   * @param options.second with a one-time code beside the password
   * @param options.undated by a provider that does not say when
   * @param options.trust the person does not want to be asked for that code here again
   */
  signIn(
    userId: string,
    at?: Stopped,
    options: { second?: boolean; trust?: boolean; undated?: boolean } = {},
  ): Promise<Stopped> {
    const request = at?.url.searchParams.get('request')
    return this.post('/signin', {
      user: userId,
      ...(request && { request }),
      ...(options.second && { second: '1' }),
      ...(options.trust && { trust: '1' }),
      ...(options.undated && { undated: '1' }),
    })
  }

  /** Goes on as a new guest. */
  asGuest(at?: Stopped): Promise<Stopped> {
    const request = at?.url.searchParams.get('request')
    return this.post('/signin/guest', request ? { request } : {})
  }

  /** The page found nothing to ask: back to the request as the person is. */
  goOn(at: Stopped): Promise<Stopped> {
    return this.post('/signin/on', { request: at.url.searchParams.get('request') ?? '' })
  }

  allow(at: Stopped): Promise<Stopped> {
    return this.post('/consent', { request: at.url.searchParams.get('request') ?? '', decision: 'allow' })
  }
}
