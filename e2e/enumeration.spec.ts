/**
 * Nobody can find out who has an account: sign-in, sign-up, codes and limits answer for known, unknown,
 * disabled, unverified and locked names byte by byte the same (ENU1, ENU3), and mails lead nowhere but
 * to us whatever the request claims to be for (HST1).
 */
import { expect, test } from '@playwright/test'
import { gatehouse } from './command'
import { latestMail, mailsTo } from './mailbox'
import { newPerson, type Person } from './people'
import { type Answer, sendRaw, shared, Visitor } from './visitor'

const STATES = ['active', 'unknown', 'disabled', 'unverified'] as const
type State = (typeof STATES)[number]

/** Somebody of each kind; names and addresses of all are equally long. */
async function people(): Promise<Record<State, Person>> {
  const make = (): Person => ({ ...newPerson(), firstName: 'Ada', lastName: 'Lovelace' })
  const named = (person: Person): Person => ({ ...person, email: person.email.replace(/^[a-z]+/, 'ada') })
  const all = { active: make(), unknown: make(), disabled: make(), unverified: make() }
  for (const state of STATES) all[state] = named(all[state])
  const add = ({ email, password }: Person, ...more: string[]) =>
    gatehouse(['user', 'add', '--email', email, ...more], { input: password })
  await add(all.active, '--verified')
  await add(all.unverified)
  await add(all.disabled, '--verified')
  await gatehouse(['user', 'disable', all.disabled.email])
  return all
}

/** An answer without what differs between any two requests: ids made for it, times, the name itself. */
function normal(answer: Answer, person: Person): string {
  const nonce = /'nonce-([^']+)'/.exec(String(answer.headers['content-security-policy']))?.[1]
  const text = (value: string) => {
    let out = value
    const same = (what: string | undefined, label: string) => {
      if (what) out = out.replaceAll(what, label)
    }
    for (const spelled of [person.email, encodeURIComponent(person.email)]) same(spelled, '(address)')
    same(nonce, '(nonce)')
    return out
      .replace(/(flow=|flow" value="|"flow\\?":\\?"|"value\\?":\\?")[\w-]{22}(?![\w-])/g, '$1(flow)')
      .replace(/\b1[678]\d{11}\b/g, '(time)')
      .replace(/\b20\d\d-\d\d-\d\dT[\d:.]+Z/g, '(time)')
      .replace(/\b\d\d:\d\d UTC/g, '(time)')
      .replace(/Expires=[^;]+GMT/g, 'Expires=(time)')
      .replace(/\b\d+ (seconds?|s)\b/g, '(wait)')
      .replace(/(gatehouse\.\w+|next-auth\.csrf-token)=[\w.%-]+/g, '$1=(value)')
  }
  const headers: string[] = []
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [answer.rawHeaders[i], answer.rawHeaders[i + 1]]
    if (!/^(date|x-request-id)$/i.test(name)) headers.push(`${name}: ${text(value)}`)
  }
  // In lines, so that a difference can be read.
  return [answer.status, ...headers, text(answer.body).replace(/[<,]/g, '\n$&')].join('\n')
}

/** Walks the same way as everybody and keeps every answer. */
type Walk = (visitor: Visitor, person: Person, note: (answer: Answer) => Answer) => Promise<void>

/** Each walks the same way; whoever stands out is found. */
async function sameForAll(all: Record<string, Person>, walk: Walk): Promise<void> {
  const traces = new Map<string, string[]>()
  for (const [state, person] of Object.entries(all)) {
    const trace: string[] = []
    await walk(new Visitor(), person, (answer) => {
      trace.push(normal(answer, person))
      return answer
    })
    traces.set(state, trace)
  }
  const [[first, expected] = ['', []], ...others] = traces
  for (const [state, trace] of others) {
    expect(trace.length, `${state} and ${first} take as many steps`).toBe(expected.length)
    for (const [step, answer] of trace.entries()) {
      expect(answer, `${state} is told from ${first} at step ${step}`).toBe(expected[step])
    }
  }
}

let all: Record<State, Person>
test.describe.configure({ mode: 'default' })
test.beforeAll(async () => {
  test.setTimeout(120_000)
  all = await people()
})

const tryPassword = async (
  visitor: Visitor,
  person: Person,
  password: string,
  note: (a: Answer) => Answer,
) => {
  const begun = note(await visitor.get('/signin/start?to=/account'))
  const flow = new URL(begun.location, visitor.place.url).searchParams.get('flow') ?? ''
  note(await visitor.post('/signin/password', { flow, email: person.email, password }))
  note(await visitor.get(`/signin?flow=${flow}`))
  return flow
}

test('a wrong password is answered the same for every kind of name', async () => {
  await sameForAll(all, async (visitor, person, note) => {
    await tryPassword(visitor, person, 'not the password', note)
    note(await visitor.get('/account'))
    note(await visitor.get('/api/session'))
  })
})

test('a name in other spellings is answered the same for every kind of name', async () => {
  await sameForAll(all, async (visitor, person, note) => {
    const [local = '', domain = ''] = person.email.split('@')
    for (const email of [
      ` ${person.email} `,
      person.email.toUpperCase(),
      `${local}@${domain.toUpperCase()}`,
    ]) {
      const spelled = { ...person, email }
      await tryPassword(visitor, spelled, 'not the password', (answer) => {
        note({
          ...answer,
          body: answer.body.replaceAll(email.trim(), person.email).replaceAll(email, person.email),
        })
        return answer
      })
    }
  })
})

test('sign-up, its code and another code are answered the same for every kind of name', async () => {
  const before = new Map<string, number>()
  for (const { email } of Object.values(all)) before.set(email, (await mailsTo(email)).length)
  await sameForAll(all, async (visitor, person, note) => {
    const begun = note(await visitor.get('/signin/start?to=/account&page=signup'))
    const flow = new URL(begun.location, visitor.place.url).searchParams.get('flow') ?? ''
    const form = {
      firstName: 'Ada',
      lastName: 'Lovelace',
      email: person.email,
      password: 'violet-anvil-harbour-90',
    }
    note(await visitor.post('/signup/submit', { flow, ...form }))
    const page = await visitor.get(`/verify?flow=${flow}`)
    expect(page.status).toBe(200)
    note(page)
    for (let i = 0; i < 6; i++) {
      // The same wrong code could be somebody's right one, once in a million.
      note(await visitor.post('/verify/submit', { flow, code: '000000' }))
      note(await visitor.get(`/verify?flow=${flow}`))
    }
    note(await visitor.post('/verify/resend', { flow }))
    note(await visitor.get(`/signup?flow=${flow}`))
    note(await visitor.get('/api/session'))
    // Whoever has the address hears of it, of one kind or the other, once.
    await latestMail(person.email, (before.get(person.email) ?? 0) + 1)
  })
  for (const { email } of Object.values(all)) {
    expect((await mailsTo(email)).length).toBe((before.get(email) ?? 0) + 1)
  }
})

test('the passkey dialog is asked for the same with every kind of name typed before', async () => {
  await sameForAll(all, async (visitor, person, note) => {
    const flow = await tryPassword(visitor, person, 'not the password', note)
    const answer = await visitor.post('/signin/passkey/options', { flow, email: person.email })
    const asked = JSON.parse(answer.body)
    expect(asked.ceremony).toBe('get')
    // No credential is named to anybody (ENU4).
    expect(asked.options.allowCredentials ?? []).toEqual([])
    expect(asked.options.challenge.length).toBeGreaterThanOrEqual(22)
    note({ ...answer, body: answer.body.replace(asked.options.challenge, '(challenge)') })
  })
})

test('a sign-up without a password is answered the same for every kind of name', async () => {
  await sameForAll(all, async (visitor, person, note) => {
    const flow = await visitor.begin('to=/account&page=signup')
    const form = { way: 'passkey', firstName: 'Ada', lastName: 'Lovelace', email: person.email }
    note(await visitor.post('/signup/submit', { flow, ...form }))
    note(await visitor.get(`/verify?flow=${flow}`))
    note(await visitor.post('/verify/submit', { flow, code: '000000' }))
    note(await visitor.get(`/verify?flow=${flow}`))
    const asked = await visitor.post('/signin/passkey/options', { flow, method: 'passkey' })
    note({ ...asked, body: asked.body.replace(JSON.parse(asked.body).options.challenge, '(challenge)') })
  })
})

test('limits close for unknown names as they do for known ones', async () => {
  await sameForAll(
    { active: all.active, unknown: all.unknown, unverified: all.unverified },
    async (_, person, note) => {
      let refused = 0
      for (let i = 0; i < 14; i++) {
        // Each try from somewhere else: it is the name that is limited.
        const visitor = new Visitor()
        const flow = await visitor.begin()
        const answer = await visitor.post('/signin/password', {
          flow,
          email: person.email,
          password: `wrong ${i}`,
        })
        note({
          ...answer,
          rawHeaders: answer.rawHeaders.filter(
            (_, at, list) => !/^retry-after$/i.test(list[at - (at % 2)] ?? ''),
          ),
        })
        if (answer.status === 429) {
          refused++
          expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
        }
      }
      expect(refused).toBeGreaterThan(0)
    },
  )
})

test('hints and unknown ids give nobody away', async () => {
  await sameForAll(all, async (visitor, person, note) => {
    const hint = encodeURIComponent(person.email)
    const start = await fetch(`${process.env.E2E_DEMO_URL}/login?login_hint=${hint}`, { redirect: 'manual' })
    const at = (start.headers.get('location') ?? '').slice(visitor.place.url.length)
    const answer = await visitor.get(at)
    expect(answer.status).toBeLessThan(400)
    const begun = await visitor.get(answer.location)
    const page = await visitor.get(begun.location)
    note({ ...page, body: page.body.replace(/request=[\w-]+/g, 'request=(id)') })
    note(await visitor.get(`/api/auth/signin?email=${hint}`))
  })
})

/** Ways to claim another Host with a POST to `path`, and whether the request may pass at all. */
function forgeries(path: string): [what: string, target: string, headers: string, accepted: boolean][] {
  const { host, origin } = new URL(shared().url)
  return [
    ['the Host of another', path, `Host: ${EVIL}`, false],
    ['our Host with a port', path, `Host: ${host}1`, false],
    ['our Host as a user', path, `Host: ${host}@${EVIL}`, false],
    ['our Host and another', path, `Host: ${host}\r\nHost: ${EVIL}`, false],
    ['another and our Host', path, `Host: ${EVIL}\r\nHost: ${host}`, false],
    ['no Host', path, 'X: y', false],
    ['an absolute URL of another', `http://${EVIL}${path}`, `Host: ${host}`, false],
    ['an absolute URL of ours, Host of another', `${origin}${path}`, `Host: ${EVIL}`, false],
    ['X-Forwarded-Host', path, `Host: ${host}\r\nX-Forwarded-Host: ${EVIL}`, true],
    [
      'X-Forwarded-Proto and Port',
      path,
      `Host: ${host}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 444`,
      true,
    ],
    ['Forwarded', path, `Host: ${host}\r\nForwarded: host=${EVIL};proto=https`, true],
    [
      'X-Host and others',
      path,
      `Host: ${host}\r\nX-Host: ${EVIL}\r\nX-Original-Host: ${EVIL}\r\nX-HTTP-Host-Override: ${EVIL}`,
      true,
    ],
    ['an absolute URL of ours', `${origin}${path}`, `Host: ${host}`, true],
  ]
}

const EVIL = 'evil.example'

/** Posts a form byte by byte, as no client would. */
function postRaw(visitor: Visitor, target: string, headers: string, fields: Record<string, string>) {
  const { port, url } = shared()
  const body = String(new URLSearchParams(fields))
  return sendRaw(
    port,
    `POST ${target} HTTP/1.1\r\n${headers}\r\nX-Forwarded-For: ${visitor.ip}\r\nOrigin: ${new URL(url).origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\nCookie: gatehouse.browser=${visitor.cookies.get('gatehouse.browser')}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function leadsToUs(mail: { links: string[]; html: string; text: string }, what: string): void {
  expect(mail.links.length, what).toBeGreaterThan(0)
  for (const link of mail.links) expect(new URL(link).origin, what).toBe(new URL(shared().url).origin)
  expect(mail.html + mail.text, what).not.toContain(EVIL)
}

test('forged_hosts_never_reach_a_mail', async () => {
  for (const [what, target, headers, accepted] of forgeries('/signup/submit')) {
    const person = newPerson()
    const visitor = new Visitor()
    const flow = await visitor.begin('to=/account&page=signup')
    const answer = await postRaw(visitor, target, headers, { flow, ...person })
    expect(answer.head, what).not.toContain(EVIL)
    if (!accepted) {
      expect([400, 421], what).toContain(answer.status)
      continue
    }
    expect(answer.status, what).toBe(303)
    leadsToUs(await latestMail(person.email), what)
  }
})

test('forged_hosts_never_reach_the_link_of_a_forgotten_password', async () => {
  test.setTimeout(120_000)
  for (const [what, target, headers, accepted] of forgeries('/forgot/submit')) {
    const person = newPerson()
    const visitor = new Visitor()
    if (accepted) await visitor.signUp(person)
    else await visitor.begin()
    const answer = await postRaw(visitor, target, headers, { email: person.email })
    expect(answer.head, what).not.toContain(EVIL)
    if (!accepted) {
      expect([400, 421], what).toContain(answer.status)
      expect(await mailsTo(person.email), what).toEqual([])
      continue
    }
    expect(answer.status, what).toBe(303)
    const resets = async () =>
      (await mailsTo(person.email)).filter(({ links }) => links.some((url) => url.includes('/reset?')))
    await expect.poll(async () => (await resets()).length, { timeout: 15_000 }).toBe(1)
    const [mail] = await resets()
    if (mail) leadsToUs(mail, what)
  }
})

test('metadata names our origin whatever the request claims', async () => {
  const visitor = new Visitor()
  for (const headers of [
    { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    { forwarded: 'host=evil.example;proto=https' },
  ]) {
    for (const at of [
      '/.well-known/openid-configuration',
      '/oidc/.well-known/openid-configuration',
      '/api/auth/signin',
      '/signin/start',
      '/account',
    ]) {
      const answer = await visitor.get(at, headers)
      expect(JSON.stringify(answer), at).not.toContain('evil.example')
      const named = decodeURIComponent(`${answer.headers.location} ${answer.headers['set-cookie']}`)
      for (const [origin] of named.matchAll(/https?:\/\/[^/\s;,]+/g))
        expect(origin, at).toBe(visitor.place.url)
    }
    const metadata = JSON.parse((await visitor.get('/oidc/.well-known/openid-configuration', headers)).body)
    expect(metadata.issuer).toBe(`${visitor.place.url}/oidc`)
  }
})

test('a forgotten password is answered the same for every kind of name, and each gets one mail', async () => {
  const before = new Map<string, number>()
  for (const { email } of Object.values(all)) before.set(email, (await mailsTo(email)).length)
  await sameForAll(all, async (visitor, person, note) => {
    note(await visitor.get('/forgot'))
    note(await visitor.post('/forgot/submit', { email: person.email }))
    note(await visitor.get('/forgot/sent'))
    note(await visitor.get(`/reset?token=${'x'.repeat(43)}`))
  })
  for (const { email } of Object.values(all)) {
    const came = async () => (await mailsTo(email)).length - (before.get(email) ?? 0)
    await expect.poll(came).toBe(1)
  }
})

test('a recovery is answered the same for every kind of name while it waits', async () => {
  await sameForAll(all, async (visitor, person, note) => {
    note(await visitor.get('/recover'))
    const asked = await visitor.post('/recover/submit', { email: person.email })
    const token = new URL(asked.location, visitor.place.url).searchParams.get('token') ?? ''
    expect(token).toMatch(/^[\w-]{43}\.[0-9a-z]+$/)
    const plain = (answer: Answer): Answer => ({
      ...answer,
      rawHeaders: answer.rawHeaders.map((value) => value.replaceAll(token, '(token)')),
      body: answer.body.replaceAll(token, '(token)').replace(/\b\d{3} \d{3}\b/g, '(code)'),
    })
    note(plain(asked))
    // Once what was asked for has begun, where it does, and after.
    for (let i = 0; i < 2; i++) {
      note(plain(await visitor.get(`/recover/finish?token=${token}`)))
      if (person === all.active) await expect.poll(() => recoveryMails(person)).toBe(1)
    }
  })
  for (const person of Object.values(all)) {
    expect(await recoveryMails(person)).toBe(person === all.active ? 1 : 0)
  }
})

const recoveryMails = async ({ email }: Person): Promise<number> =>
  (await mailsTo(email)).filter(({ links }) => links.some((link) => link.includes('/recover/stop'))).length
