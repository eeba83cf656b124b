/**
 * Ways around the door that worked in comparable software: paths and headers that the router reads
 * otherwise than the guard, bodies that no form makes, cookies of another kind in the session's place.
 * The numbers are those of the table of real failures that these tests were made from.
 */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { expect, test } from '@playwright/test'
import account from '../lib/texts/en/account.json' with { type: 'json' }
import activity from '../lib/texts/en/activity.json' with { type: 'json' }
import admin from '../lib/texts/en/admin.json' with { type: 'json' }
import recovery from '../lib/texts/en/recovery.json' with { type: 'json' }
import security from '../lib/texts/en/security.json' with { type: 'json' }
import { buildId, builtRoutes, callByScript, callRaw, MULTIPART, multipart, serverActions } from './actions'
import { newPerson } from './people'
import { sendRaw, shared, Visitor } from './visitor'

/** Words that only a signed-in person reads. */
const WORDS = [
  account.overview.lead,
  account.profile.lead,
  account.devices.lead,
  account.emails.lead,
  account.phones.lead,
  account.linked.lead,
  account.apps.lead,
  account.tokens.make_text,
  account.data.lead,
  activity.lead,
  recovery.security.lead,
  security.authenticator.lead,
  security.codes.lead,
  recovery.outlook.lead,
  recovery.vouch.lead,
  admin.apps.lead,
  admin.register.lead,
]
/** Pages that ask for more than a session: somebody's request, a link, or another provider to link. */
const needsMore = (path: string): boolean => /\[|\/accept$|\/linked$|^\/admin\b/.test(path)
const shows = (body: string): boolean => WORDS.some((words) => body.includes(words))

const protectedPages = (): string[] =>
  builtRoutes().pages.filter((route) => /^\/(account|admin)\b/.test(route))

test('the words that give a console page away are the right ones', async () => {
  const visitor = new Visitor()
  await visitor.signUp(newPerson())
  for (const path of protectedPages().filter((path) => !needsMore(path)))
    expect(shows((await visitor.get(path)).body), path).toBe(true)
})

test('headers_that_once_skipped_the_middleware_open_nothing', async () => {
  // 1, 3, 8: CVE-2025-29927, CVE-2026-44574, CVE-2026-27979.
  const repeated = (name: string) => Array(5).fill(name).join(':')
  const attacks: Record<string, string>[] = [
    ...['middleware', 'src/middleware', 'proxy', 'src/proxy', 'pages/_middleware'].map((name) => ({
      'x-middleware-subrequest': repeated(name),
    })),
    { 'x-middleware-subrequest': 'middleware' },
    { 'x-middleware-rewrite': '/account' },
    { 'x-middleware-next': '1' },
    { 'x-middleware-invoke': '' },
    { 'x-invoke-path': '/account', 'x-invoke-status': '200' },
    { 'x-matched-path': '/account' },
    { 'x-nextjs-data': '1' },
    { 'x-now-route-matches': '1=account' },
    { 'x-original-url': '/account' },
    { 'x-rewrite-url': '/account' },
    { 'x-http-method-override': 'POST' },
    { 'next-resume': '1' },
    { 'next-resume-state-length': '10' },
    { 'x-prerender-revalidate': 'x' },
    { 'x-gatehouse-ip': '127.0.0.1', 'x-gatehouse-local': '1', 'x-gatehouse-user': 'x' },
    { authorization: 'Bearer x' },
  ]
  const nobody = new Visitor()
  for (const path of [...protectedPages(), '/', '/signin']) {
    for (const headers of attacks) {
      for (const rsc of [{}, { rsc: '1' }]) {
        const answer = await nobody.get(path, { ...headers, ...rsc })
        expect(shows(answer.body), `${path} ${JSON.stringify(headers)}`).toBe(false)
        expect(answer.status, `${path} ${JSON.stringify(headers)}`).toBeLessThan(500)
      }
    }
  }
})

test('data_urls_of_pages_show_what_the_page_shows', async () => {
  // 2, 3, 9: CVE-2026-44575, -45109, -44573, -44576.
  const nobody = new Visitor()
  for (const page of protectedPages()) {
    for (const [path, headers] of [
      [`${page}.rsc`, {}],
      [`${page}.txt`, {}],
      [`${page}.json`, {}],
      [`${page}.html`, {}],
      [`${page}.segments/_tree.segment.rsc`, {}],
      [`${page}.segments/_index.segment.rsc`, {}],
      [`${page}.segments/__PAGE__.segment.rsc`, {}],
      [`${page}.prefetch.rsc`, {}],
      [`${page}?_rsc=1`, { rsc: '1' }],
      [`${page}?nxtPid=other&nxtPkey=x`, {}],
      [page, { rsc: '1', 'next-router-prefetch': '1' }],
      [page, { rsc: '1', 'next-router-prefetch': '1', 'next-router-segment-prefetch': '/_tree' }],
      [page, { rsc: '1', 'next-router-segment-prefetch': '/account/__PAGE__' }],
      [page, { rsc: '1', 'next-router-state-tree': '%5B%22%22%2C%7B%7D%2Cnull%2Cnull%2Ctrue%5D' }],
      [page, { rsc: '1', 'next-router-state-tree': 'x'.repeat(4000) }],
      [page, { rsc: '1', 'next-url': '/account' }],
      [`/_next/data/${buildId()}${page}.json`, { 'x-nextjs-data': '1' }],
      [`/en${page}`, { 'x-nextjs-data': '1' }],
      [`/_next/image?url=${encodeURIComponent(page)}&w=640&q=75`, {}],
    ] as [string, Record<string, string>][]) {
      const answer = await nobody.get(path, headers)
      expect(shows(answer.body), `${path} ${JSON.stringify(headers)}`).toBe(false)
      expect(answer.status, `${path} ${JSON.stringify(headers)}`).toBeLessThan(500)
    }
  }
})

test('other_spellings_of_a_path_are_the_same_page_or_none', async () => {
  // 11: CVE-2026-41248.
  const nobody = new Visitor()
  const someone = new Visitor()
  await someone.signUp(newPerson())
  for (const path of [
    '/%61ccount',
    '/%2561ccount',
    '//account',
    '///account',
    '/account/',
    '/account/.',
    '/account/..',
    '/account//',
    '/./account',
    '/x/../account',
    '/account;x',
    '/account;x=/signin',
    '/account%2f',
    '/account%2fprofile',
    '/account%5cprofile',
    '/account\\profile',
    '/account%00',
    '/account%20',
    '/account.',
    '/ACCOUNT',
    '/Account/Profile',
    '/account%3f',
    '/account%23',
    '/account?/signin',
    '/account/profile%0d%0aX-Injected:1',
    '/(account)/account',
    '/%28account%29/account',
    '/signin/../account',
    '/signin/%2e%2e/account',
    '/_next/../account',
    '/_next/static/../../account',
    '/_next/static/%2e%2e/%2e%2e/account',
    '/oidc/../account',
    '/oidc/%2e%2e/account',
    '/api/session/../../account',
    '/avatars/../account',
    '/dev/../account',
    '/account\u00ad',
  ]) {
    const what = JSON.stringify(path)
    const port = nobody.place.port
    const host = new URL(nobody.place.url).host
    const raw = await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect(shows(raw.body), what).toBe(false)
    expect(raw.status, what).toBeLessThan(500)
    expect(raw.head, what).not.toMatch(/\r\nX-Injected/i)
    // Never away from here, and never around the guard: whoever is signed in gets the page or nothing.
    const location = /\r\nlocation: ([^\r]*)/i.exec(raw.head)?.[1]
    if (location) expect(new URL(location, nobody.place.url).origin, what).toBe(nobody.place.url)
  }
})

/** Bodies in the language of server actions that no script of ours speaks. */
function malformedBodies(
  id: string,
): [name: string, body: string | Buffer, headers: Record<string, string>][] {
  const text = (name: string, body: string) => [name, body, {}] as [string, string, Record<string, string>]
  const form = (name: string, parts: [string, string][]) =>
    [name, multipart(parts), MULTIPART] as [string, Buffer, Record<string, string>]
  return [
    text('nothing', ''),
    text('no JSON', '{{{{'),
    text('no list', '5'),
    text('null', 'null'),
    text('no arguments', '[]'),
    text('prototype', '["$1:__proto__:then"]'),
    text('constructor', '["$1:constructor:constructor"]'),
    text('itself', '["$0"]'),
    text('itself later', '["$@0"]'),
    text('a function', '["$F1"]'),
    text('a function, new', '["$h1"]'),
    text('a blob', '["$B1"]'),
    text('a stream', '["$r1"]'),
    text('an iterator', '["$x1"]'),
    text('a map', '["$Q1"]'),
    text('a huge number', `["$n${'9'.repeat(20_000)}"]`),
    text('deep', '['.repeat(50_000) + ']'.repeat(50_000)),
    text('wide', `[${Array(40_000).fill('"$@0"').join(',')}]`),
    form('CVE-2025-55182', [
      [
        '0',
        '{"then":"$1:__proto__:then","status":"resolved_model","reason":-1,"value":"{\\"then\\":\\"$B1337\\"}","_response":{"_prefix":"process.exit(9);","_chunks":"$Q2","_formData":{"get":"$1:constructor:constructor"}}}',
      ],
      ['1', '"$@0"'],
      ['2', '[]'],
    ]),
    form('a cycle', [
      ['0', '["$1"]'],
      ['1', '["$2"]'],
      ['2', '["$1"]'],
    ]),
    form('a promise of itself', [
      ['0', '["$@1"]'],
      ['1', '"$@1"'],
    ]),
    form('a bound function', [
      ['0', '["$F1"]'],
      ['1', JSON.stringify({ id, bound: null })],
    ]),
    form('a bound function of nowhere', [
      ['0', '["$h1"]'],
      ['1', '{"id":"fs#readFileSync","bound":["/etc/passwd"]}'],
    ]),
    form('no root', [['1', '[]']]),
    form('an object for a form', [['0', '[null,{"entries":"x","getAll":"y"}]']]),
    form('a text for a form', [['0', '[null,"x"]']]),
    form('deep form', [['0', '['.repeat(50_000) + ']'.repeat(50_000)]]),
    ['cut off', multipart([['0', '[null,"$K1"]']]).subarray(0, 60), MULTIPART],
    ['no boundary', 'x', { 'content-type': 'multipart/form-data' }],
    ['urlencoded', '0=[]', { 'content-type': 'application/x-www-form-urlencoded' }],
  ]
}

/** Forms that name no action, or one in words that no script of ours speaks. */
const malformedForms = (id: string): [string, string][][] => [
  [['$ACTION_REF_1', '']],
  [
    ['$ACTION_REF_1', ''],
    ['$ACTION_1:0', '{{{'],
  ],
  [
    ['$ACTION_REF_1', ''],
    ['$ACTION_1:0', JSON.stringify({ id, bound: '$1:__proto__:then' })],
    ['$ACTION_1:1', '[null]'],
  ],
  [
    ['$ACTION_REF_1', ''],
    ['$ACTION_1:0', JSON.stringify({ id, bound: '$@1' })],
    ['$ACTION_1:1', '[1,2,3,4,5]'],
  ],
  [['$ACTION_ID_zz', '']],
  [['$ACTION_ID___proto__', '']],
  [['$ACTION_KEY', 'k1']],
]

test('malformed_calls_of_actions_are_refused_and_run_nothing', async () => {
  // 7: CVE-2025-55182, -66478, -55184, -67779, -55183.
  const [nobody, someone] = [new Visitor(), new Visitor()]
  await someone.signUp(newPerson())
  const actions = [...serverActions()]
  // What reads a body is the same for every action: each gets every seventh, and each body is tried at several.
  for (const [at, [name, id]] of actions.entries()) {
    const page = name.includes('/devices/') ? '/account/devices' : '/account/profile'
    const mine = <T>(all: T[]) => all.filter((_, index) => index % 7 === at % 7)
    for (const who of [nobody, someone]) {
      for (const [what, body, headers] of mine(malformedBodies(id))) {
        const answer = await callRaw(who.copy(), { id, page }, body, headers)
        expect(answer.status, `${name}: ${what}`).toBeLessThan(500)
        expect(answer.body, `${name}: ${what}`).not.toMatch(
          /"ok":true|at .*\.js:\d|\/node_modules\/|use server/,
        )
      }
      for (const fields of mine(malformedForms(id))) {
        const answer = await who
          .copy()
          .send('POST', page, { origin: who.place.url, ...MULTIPART }, multipart(fields))
        expect(answer.status, `${name}: ${JSON.stringify(fields)}`).toBeLessThan(500)
      }
    }
  }
  expect(actions.length).toBeGreaterThanOrEqual(14)
  for (const id of ['f'.repeat(42), '__proto__', 'constructor', '', 'x'.repeat(5000)]) {
    const answer = await callRaw(someone, { id, page: '/account/profile' }, '[]')
    expect(answer.status, id.slice(0, 20)).toBeLessThan(500)
  }
  expect((await someone.get('/healthz')).status).toBe(200)
})

test('twenty_huge_calls_at_once_leave_the_portal_answering', async () => {
  // 8: CVE-2026-23870, -64641.
  const nobody = new Visitor()
  const save = [...serverActions()].find(([name]) => name.endsWith('#saveProfile'))?.[1] ?? ''
  const nested = (length: number) => `[null,${'{"a":['.repeat(length / 8)}1${']}'.repeat(length / 8)}]`
  const flood = Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      callRaw(nobody.copy(), { id: save, page: '/account/profile' }, nested(i % 2 ? 200_000 : 1_000_000)),
    ),
  )
  expect((await nobody.get('/healthz')).status).toBe(200)
  expect((await nobody.get('/oidc/jwks')).status).toBe(200)
  for (const answer of await flood) {
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
  }
})

test('an_action_never_asks_another_server_on_the_callers_word', async () => {
  // 5, 6: CVE-2024-34351, CVE-2026-64649, CVE-2026-44578.
  let visits = 0
  const listener = createTcpServer((socket) => {
    visits++
    socket.destroy()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const evil = `127.0.0.1:${(listener.address() as AddressInfo).port}`
  const someone = new Visitor()
  await someone.signUp(newPerson())
  const id = [...serverActions()].find(([name]) => name.endsWith('#signOutOthers'))?.[1] ?? ''
  const call = { id, page: '/account/devices', stateful: true, fields: [] }
  for (const headers of [
    { host: evil },
    { 'x-forwarded-host': evil },
    { 'x-forwarded-host': evil, 'x-forwarded-proto': 'http', 'x-forwarded-port': evil.split(':')[1] },
    { forwarded: `host=${evil};proto=http` },
    { 'x-action-forwarded': '1', 'x-matched-path': `http://${evil}/` },
    { 'x-middleware-rewrite': `http://${evil}/` },
    { origin: `http://${evil}`, host: evil },
  ]) {
    const answer = await callByScript(someone.copy(), call, headers)
    const refused = 'host' in headers
    if (refused) expect(answer.status).toBe(421)
    else expect(answer.headers['x-action-redirect']).toMatch(/^\/account\/devices;/)
  }
  const { port, url } = shared()
  for (const target of ['/account', `http://${evil}/`, `//${evil}/`]) {
    for (const host of [new URL(url).host, evil]) {
      const upgrade = await sendRaw(
        port,
        `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
      )
      expect([400, 421], `${target} at ${host}`).toContain(upgrade.status)
    }
  }
  await new Promise((resolve) => listener.close(resolve))
  expect(visits).toBe(0)
})

test('no_other_cookie_of_ours_is_a_session', async () => {
  // 18: CVE-2023-48309.
  const half = new Visitor()
  await half.submitSignUp(newPerson())
  for (const path of ['/api/auth/csrf', '/api/auth/providers', '/api/auth/signin', '/api/auth/error'])
    await half.get(path)
  const start = await fetch(`${process.env.E2E_DEMO_URL}/login`, { redirect: 'manual' })
  await half.get((start.headers.get('location') ?? '').slice(half.place.url.length))
  const someone = new Visitor()
  await someone.signUp(newPerson())
  for (const [name, value] of someone.cookies)
    if (name !== 'gatehouse.session') half.cookies.set(`their ${name}`, value)
  expect(half.cookies.size).toBeGreaterThan(4)
  for (const [name, value] of half.cookies) {
    const thief = new Visitor()
    thief.cookies.set('gatehouse.session', value)
    expect((await thief.session()).status, name).toBe(401)
    expect((await thief.get('/account')).location, name).toMatch(/^\/signin\/start/)
  }
  // Bent in any place, the real one is none.
  const real = someone.cookies.get('gatehouse.session') ?? ''
  for (const bent of [
    real.slice(0, -2),
    `${real}x`,
    real.replace(/^[^.]*/, 'eyJhbGciOiJub25lIn0'),
    `${real.split('.')[0]}....`,
  ]) {
    const thief = new Visitor()
    thief.cookies.set('gatehouse.session', bent)
    expect((await thief.session()).status).toBe(401)
  }
})

test('hostile_authorization_headers_and_callback_urls_break_nothing', async () => {
  // 16: GHSA-xmf8, CVE-2022-31093.
  const nobody = new Visitor()
  const values = [
    'Bearer',
    'Bearer ',
    `Bearer ${'x'.repeat(8000)}`,
    'Bearer a.b.c',
    'Bearer %',
    'Bearer \u00ff\u00fe',
    'Basic',
    'Basic !!!',
    `Basic ${Buffer.from('no colon').toString('base64')}`,
    `Basic ${Buffer.from('%:%').toString('base64')}`,
    'Digest username="x"',
    ',',
  ]
  for (const authorization of values) {
    for (const [method, path] of [
      ['GET', '/account'],
      ['GET', '/api/session'],
      ['GET', '/api/auth/session'],
      ['GET', '/oidc/userinfo'],
      ['POST', '/oidc/token'],
      ['POST', '/oidc/introspection'],
      ['POST', '/oidc/revocation'],
      ['POST', '/oidc/par'],
    ] as const) {
      const answer = await nobody.send(
        method,
        path,
        { authorization, ...(method === 'POST' && { 'content-type': 'application/x-www-form-urlencoded' }) },
        method === 'POST' ? 'grant_type=authorization_code&token=x' : undefined,
      )
      expect(answer.status, `${path} ${authorization.slice(0, 30)}`).toBeLessThan(500)
    }
  }
  for (const target of [
    '//e',
    '/\\e',
    'https:e',
    '%',
    '%00',
    'javascript:alert(1)',
    'http://[',
    'a'.repeat(3000),
    '\ud800',
  ]) {
    const value = encodeURIComponent(target.toWellFormed())
    for (const path of [
      `/api/auth/signin?callbackUrl=${value}`,
      `/api/auth/signout?callbackUrl=${value}`,
      `/api/auth/session?callbackUrl=${value}`,
      `/signin/start?to=${value}`,
      `/signin/start?request=${value}`,
      `/signin?flow=${value}`,
      `/signin/done?flow=${value}`,
      `/verify/link?flow=${value}&code=${value}`,
      `/consent?request=${value}`,
      `/no-entry?request=${value}`,
      `/signout?request=${value}`,
      `/problem?code=${value}`,
      `/dev/mailbox/${value}/body`,
      `/oidc/auth?client_id=${value}&redirect_uri=${value}`,
      `/oidc/logout?post_logout_redirect_uri=${value}&id_token_hint=${value}`,
    ]) {
      const answer = await nobody.get(path)
      expect(answer.status, path).toBeLessThan(500)
      const away = answer.location && new URL(answer.location, nobody.place.url).origin
      if (away) expect(away, path).toBe(nobody.place.url)
    }
  }
})

test.describe('in a browser', () => {
  let attacker: Server
  let caught: IncomingHttpHeaders[]
  test.beforeEach(async () => {
    caught = []
    attacker = createServer((req, res) => {
      if (req.method === 'POST') caught.push(req.headers)
      res.setHeader('content-type', 'text/html').end('<title>Win a prize</title>')
    })
    await new Promise<void>((resolve) => attacker.listen(0, resolve))
  })
  test.afterEach(() => new Promise((resolve) => attacker.close(resolve)))

  test('a_sandboxed_frame_on_the_same_site_posts_in_vain', async ({ page, context }) => {
    // 4: CVE-2026-27978. With cookies, the same posts are in the table of authz.spec.ts.
    const { url } = shared()
    const victim = new Visitor()
    await victim.signUp(newPerson())
    await context.addCookies(
      [...victim.cookies].map(([name, value]) => ({
        name,
        value,
        url,
        sameSite: 'Lax' as const,
        httpOnly: true,
      })),
    )
    const trap = `http://localhost:${(attacker.address() as AddressInfo).port}/`
    await page.goto(trap)
    const postFromFrame = (action: string, enctype: string, fields: Record<string, string>) => {
      const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`)
      return page.evaluate(
        (html) => {
          const frame = document.createElement('iframe')
          frame.sandbox.add('allow-scripts', 'allow-forms')
          frame.srcdoc = html
          document.body.append(frame)
        },
        `<form method=post enctype="${enctype}" action="${action}">${inputs.join('')}</form><script>document.forms[0].submit()</script>`,
      )
    }
    // That such a post says where it is not from, the attacker's own server tells.
    await postFromFrame(trap, 'text/plain', {})
    await expect.poll(() => caught.length).toBe(1)
    expect(caught[0]?.origin).toBe('null')

    const theme = [...serverActions()].find(([name]) => name.endsWith('#chooseTheme'))?.[1] ?? ''
    for (const [path, enctype, fields] of [
      ['/signout/submit', 'application/x-www-form-urlencoded', {}],
      ['/account/profile', 'multipart/form-data', { [`$ACTION_ID_${theme}`]: '', theme: 'dark' }],
      ['/signout/submit', 'text/plain', { x: 'y' }],
    ] as [string, string, Record<string, string>][]) {
      // The browser says so when the answer is there: it may not be shown in a frame.
      const answered = page.waitForEvent('console', (message) => message.text().startsWith('Framing'))
      await postFromFrame(url + path, enctype, fields)
      await answered
    }
    expect((await victim.session()).status).toBe(200)
    expect((await context.cookies(url)).find(({ name }) => name === 'gatehouse.theme')).toBeUndefined()
  })
})
