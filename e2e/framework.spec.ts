/** What comes along with the frameworks leads nowhere else and says nothing that the house would not say. */
import { expect, test } from '@playwright/test'
import { MULTIPART, multipart } from './actions'
import { openDatabase } from './database'
import { mailsTo } from './mailbox'
import { newPerson } from './people'
import { launchPortal } from './portal'
import { shared, Visitor } from './visitor'

test('nextauth_leads_to_this_portal_and_nowhere_else', async () => {
  // HST1, RED1: without an origin of its own it led everyone to http://localhost:3000.
  const nobody = new Visitor()
  const { csrfToken } = JSON.parse((await nobody.get('/api/auth/csrf')).body)
  for (const callbackUrl of ['/account', 'https://evil.example/', '//evil.example', 'http://localhost:1/']) {
    for (const path of ['signout', 'signin/credentials', 'signin/email', 'callback/credentials']) {
      const answer = await nobody.post(`/api/auth/${path}`, { csrfToken, callbackUrl })
      const location = answer.headers.location ?? shared().url
      expect(new URL(location, shared().url).origin, `${path} ${callbackUrl}`).toBe(shared().url)
    }
  }
  expect(decodeURIComponent(nobody.cookies.get('next-auth.callback-url') ?? '')).toContain(shared().url)
})

test('nextauth_is_no_second_front_door', async () => {
  // Whatever its routes are asked, they know no provider, take no password and mail no link.
  const nobody = new Visitor()
  const person = newPerson()
  await new Visitor().signUp(person)
  const { csrfToken } = JSON.parse((await nobody.get('/api/auth/csrf')).body)
  expect(JSON.parse((await nobody.get('/api/auth/providers')).body)).toEqual({})
  expect(JSON.parse((await nobody.get('/api/auth/session')).body)).toEqual({})
  const form = { csrfToken, ...person, username: person.email, callbackUrl: '/account', json: 'true' }
  for (const [method, path] of [
    ['POST', 'callback/credentials'],
    ['POST', 'signin/credentials'],
    ['POST', 'signin/email'],
    ['POST', 'callback/email'],
    ['POST', 'signin'],
    ['POST', 'signin/google'],
    ['POST', 'callback/google'],
    ['POST', 'session'],
    ['POST', '_log'],
    ['GET', `callback/email?email=${person.email}&token=x`],
    ['GET', 'callback/google?code=x&state=x'],
    ['GET', 'callback/credentials'],
    ['GET', 'signin'],
    ['GET', 'verify-request'],
    ['GET', 'error?error=%3Cb%3Eecho-9f3%3C%2Fb%3E'],
    ['GET', 'signout'],
  ] as const) {
    const answer =
      method === 'POST' ? await nobody.post(`/api/auth/${path}`, form) : await nobody.get(`/api/auth/${path}`)
    expect(answer.status, path).toBeLessThan(500)
    expect(answer.body, path).not.toMatch(/echo-9f3|type="password"|type="email"/)
    expect(answer.location, path).not.toMatch(/^https?:/)
    expect([...nobody.cookies.keys()], path).not.toContain('gatehouse.session')
    expect((await nobody.session()).status, path).toBe(401)
  }
  expect((await mailsTo(person.email)).length).toBe(1)
})

test('a_database_that_hangs_is_503_to_nextauth_too_and_leaves_the_cookie', async () => {
  test.setTimeout(120_000)
  // REL2: it took "could not be told" for "nobody", answered {} and deleted the session cookie.
  const portal = await launchPortal({ GATEHOUSE_DEMO: 'off' })
  const database = await openDatabase(portal)
  try {
    const someone = new Visitor(portal)
    await someone.signUp(newPerson())
    const { sid } = await someone.session()
    await database.query('BEGIN')
    await database.query('LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE')
    // No copy of its facts is left: whoever asks next has to read the row.
    await forget(portal.stores().redisUrl, sid ?? '')
    const status = async () => {
      const answer = await someone.get('/api/auth/session')
      expect(answer.body).not.toBe('{}')
      // What is known yet renews the cookie; "could not be told" must not touch it.
      if (answer.status !== 200) expect(answer.headers['set-cookie'] ?? []).toEqual([])
      return answer.status
    }
    // Until it has heard, the portal goes by its own copy.
    await expect.poll(status, { timeout: 30_000 }).toBe(503)
    await database.query('ROLLBACK')
    await expect.poll(async () => (await someone.session()).status).toBe(200)
  } finally {
    await database.close()
    await portal.stop(/does not answer/)
  }
})

async function forget(redisUrl: string, sid: string): Promise<void> {
  const { Redis } = await import('ioredis')
  const redis = new Redis(redisUrl)
  await redis.del(`session:valid:${sid}`)
  redis.disconnect()
}

test('nobody_can_make_the_portal_scale_pictures', async () => {
  // Next's own scaler kept every spelling of a picture's address (#1, #2, …) on disk, for anybody.
  for (const query of ['url=%2Ffavicon.ico&w=640&q=75', 'url=%2Favatars%2Fx%23a&w=640&q=75']) {
    expect((await new Visitor().get(`/_next/image?${query}`)).status).toBe(404)
  }
})

test('the host and the route behind it answer the form of a sign-in alike', async () => {
  const person = newPerson()
  await new Visitor().signUp(person)
  const said: unknown[] = []
  for (const way of ['host', 'route'] as const) {
    const visitor = new Visitor()
    const flow = await visitor.begin()
    const send = (password: string) => {
      const fields = { flow, email: person.email, password }
      // What is no plain form is left to Next.
      return way === 'host'
        ? visitor.post('/signin/password', fields)
        : visitor.send(
            'POST',
            '/signin/password',
            { origin: visitor.place.url, ...MULTIPART },
            multipart(Object.entries(fields)),
          )
    }
    const wrong = await send('wrong wrong wrong')
    expect((await visitor.get(wrong.location)).body, way).toContain('don’t match')
    const right = await send(person.password)
    const again = await send(person.password)
    expect((await visitor.session()).status, way).toBe(200)
    const names = [right, again].map(({ headers }) =>
      (headers['set-cookie'] ?? []).map((line) => line.split('=')[0]),
    )
    said.push(
      [wrong, right, again].map(({ status, location }) => [status, location.replace(flow, 'flow')]),
      names,
    )
  }
  expect(said.slice(2)).toEqual(said.slice(0, 2))
  expect(said[0]).toEqual([
    [303, '/signin?flow=flow'],
    [303, '/account'],
    [303, '/signin?flow=flow'],
  ])
})
