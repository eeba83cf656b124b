/** Every page in every state that a person can meet it in, ready to be opened. */
import { codeAt } from './authenticator-app'
import { gatehouse } from './command'
import { latestMail } from './mailbox'
import { demoAdmin, newPerson, type Person } from './people'
import { Visitor } from './visitor'

export interface Exhibit {
  name: string
  path: string
  /** Whose cookies the browser has. */
  who: Visitor
  /** What the answer says; 200 unless told otherwise. */
  status?: number
  /** Pages of one kind share a title; of each kind there is one with a title of its own. */
  kind?: string
  /** Only for browsers on this machine that come through no proxy. */
  local?: boolean
}

const flowOf = (location: string): string => new URL(location, 'http://x').searchParams.get('flow') ?? ''

/**
 * Where a relying app's request leads this visitor first.
 * @param parameters for the demo app, which passes them on
 * @param more added to its request to the portal
 */
async function fromApp(visitor: Visitor, parameters = '', more = ''): Promise<string> {
  const start = await fetch(`${process.env.E2E_DEMO_URL}/login${parameters}`, { redirect: 'manual' })
  let next = (start.headers.get('location') ?? '').slice(visitor.place.url.length) + more
  for (let hops = 0; hops < 6 && !/^\/(consent|signin|signup)\?/.test(next); hops++) {
    next = (await visitor.get(next)).location
  }
  return next
}

let staffRoom: Promise<string> | undefined

/** Where somebody comes to at an app that lets in operators alone. */
async function fromStaffRoom(visitor: Visitor): Promise<string> {
  const redirect_uri = 'https://staff.example.com/cb'
  staffRoom ??= gatehouse([
    ...['client', 'add', '--name', 'Staff room', '--redirect-uri', redirect_uri],
    ...['--entry-role', 'admin', '--json'],
  ])
  const { client_id } = JSON.parse(await staffRoom) as { client_id: string }
  const asked = { client_id, redirect_uri, response_type: 'code', scope: 'openid' }
  const pkce = { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' }
  return (await visitor.get(`/oidc/auth?${new URLSearchParams({ ...asked, ...pkce })}`)).location
}

export async function signedOutPages(): Promise<Exhibit[]> {
  const nobody = new Visitor()
  const refused = new Visitor()
  const refusedFlow = await refused.begin()
  await refused.post('/signin/password', { flow: refusedFlow, email: newPerson().email, password: 'wrong' })

  const limited = new Visitor()
  const name = newPerson().email
  let limitedFlow = ''
  for (let tries = 0; tries < 11; tries++) {
    limitedFlow = await limited.begin()
    await limited.post('/signin/password', { flow: limitedFlow, email: name, password: `wrong ${tries}` })
  }

  const signUpErrors = new Visitor()
  const errorFlow = await signUpErrors.begin('to=/account&page=signup')
  await signUpErrors.post('/signup/submit', { ...newPerson(), flow: errorFlow, password: 'password123' })

  const fresh = new Visitor()
  const app = new Visitor()
  return [
    { name: 'landing', path: '/', who: nobody },
    { name: 'sign-in', path: `/signin?flow=${await fresh.begin()}`, who: fresh },
    { name: 'sign-in for an app', path: await fromApp(app), who: app, kind: 'sign-in' },
    { name: 'sign-in refused', path: `/signin?flow=${refusedFlow}`, who: refused, kind: 'sign-in' },
    { name: 'sign-in limited', path: `/signin?flow=${limitedFlow}`, who: limited, kind: 'sign-in' },
    { name: 'sign-up', path: `/signup?flow=${await fresh.begin('page=signup')}`, who: fresh },
    { name: 'sign-up refused', path: `/signup?flow=${errorFlow}`, who: signUpErrors, kind: 'sign-up' },
    { name: 'attempt over', path: `/signin?flow=${'A'.repeat(22)}`, who: fresh, kind: 'sign-in' },
    { name: 'attempt of another browser', path: `/signin?flow=${refusedFlow}`, who: fresh, kind: 'sign-in' },
    { name: 'cookies blocked', path: `/signin?flow=${refusedFlow}`, who: nobody, kind: 'sign-in' },
    { name: 'signed out', path: '/signed-out', who: nobody },
    { name: 'problem', path: '/problem', who: nobody },
    { name: 'problem: other origin', path: '/problem?code=csrf', who: nobody, kind: 'problem' },
    {
      name: 'problem: unknown app',
      path: '/oidc/auth?client_id=x',
      who: nobody,
      status: 400,
      kind: 'problem',
    },
    { name: 'not found', path: '/no/such/page', who: nobody, status: 404 },
    { name: 'plain refusal', path: `/avatars/${'x'.repeat(24)}`, who: nobody, status: 404 },
  ]
}

export async function verification(): Promise<Exhibit[]> {
  const person = newPerson()
  const visitor = new Visitor()
  const { answer } = await visitor.submitSignUp(person)
  const flow = flowOf(answer.location)
  const mail = await latestMail(person.email)
  const link = `/verify/link?flow=${flow}&code=${mail.codes[0]}`
  const wrong = new Visitor()
  const { answer: second } = await wrong.submitSignUp(newPerson())
  await wrong.post('/verify/submit', { flow: flowOf(second.location), code: '12345' })
  return [
    { name: 'verify', path: `/verify?flow=${flow}`, who: visitor },
    { name: 'verify refused', path: `/verify?flow=${flowOf(second.location)}`, who: wrong, kind: 'verify' },
    { name: 'link', path: link, who: visitor },
    { name: 'link elsewhere', path: link, who: new Visitor(), kind: 'link' },
    { name: 'link dead', path: link.replace(flow, 'B'.repeat(22)), who: visitor, kind: 'link' },
    {
      name: 'mailbox',
      path: `/dev/mailbox?to=${encodeURIComponent(person.email)}&id=${mail.id}`,
      who: new Visitor(),
      local: true,
    },
    {
      name: 'mailbox empty',
      path: `/dev/mailbox?to=${encodeURIComponent(newPerson().email)}`,
      who: new Visitor(),
      local: true,
      kind: 'mailbox',
    },
  ]
}

const TWO_FACTORS = `&claims=${encodeURIComponent('{"id_token":{"acr":{"essential":true,"values":["aal2"]}}}')}`

/** Somebody who has no second factor, before an app that takes no less than two. */
async function atEnroll(person: Person): Promise<{ visitor: Visitor; flow: string }> {
  const visitor = new Visitor()
  const flow = flowOf(await fromApp(visitor, '', TWO_FACTORS))
  await visitor.post('/signin/password', { flow, email: person.email, password: person.password })
  return { visitor, flow }
}

/** Sets up an authenticator app there; what comes next are backup codes. */
async function setUpApp(visitor: Visitor, flow: string): Promise<void> {
  const page = await visitor.get(`/signin/enroll?flow=${flow}&with=totp`)
  const secret = /secret=([A-Z2-7]+)/.exec(page.body)?.[1] ?? ''
  const form = { flow, method: 'totp', name: 'Authenticator app', code: codeAt(secret) }
  const { location } = await visitor.post('/signin/enroll/submit', form)
  if (!location.startsWith('/signin/codes')) throw new Error(`no authenticator app: ${location}`)
}

async function secondStep(): Promise<Exhibit[]> {
  const [without, person] = [newPerson(), newPerson()]
  await new Visitor().signUp(without)
  await new Visitor().signUp(person)

  const offered = new Visitor()
  const offer = await offered.begin()
  const { email, password } = without
  await offered.post('/signin/password', { flow: offer, email, password, canPasskey: '1' })

  const choosing = await atEnroll(without)
  const wrong = await atEnroll(without)
  await wrong.visitor.get(`/signin/enroll?flow=${wrong.flow}&with=totp`)
  await wrong.visitor.post('/signin/enroll/submit', {
    flow: wrong.flow,
    method: 'totp',
    name: 'Authenticator app',
    code: '000000',
  })
  const saving = await atEnroll(person)
  await setUpApp(saving.visitor, saving.flow)
  const asked = await atEnroll(person)
  const refused = await atEnroll(person)
  await refused.visitor.post('/signin/second/submit', { flow: refused.flow, method: 'totp', code: '000000' })
  const second = `/signin/second?flow=${asked.flow}`
  const enroll = `/signin/enroll?flow=${choosing.flow}`
  return [
    {
      name: 'sign-up with a passkey',
      path: `/signup?flow=${await asked.visitor.begin()}&way=passkey`,
      who: asked.visitor,
      kind: 'sign-up',
    },
    { name: 'passkey offered', path: `/signin/enroll?flow=${offer}`, who: offered, kind: 'enroll' },
    { name: 'enroll', path: enroll, who: choosing.visitor },
    ...['passkey', 'security_key', 'totp'].map((way) => ({
      name: `enroll ${way}`,
      path: `${enroll}&with=${way}`,
      who: choosing.visitor,
      kind: 'enroll',
    })),
    {
      name: 'enroll refused',
      path: `/signin/enroll?flow=${wrong.flow}&with=totp`,
      who: wrong.visitor,
      kind: 'enroll',
    },
    { name: 'backup codes', path: `/signin/codes?flow=${saving.flow}`, who: saving.visitor },
    { name: 'second step', path: second, who: asked.visitor },
    {
      name: 'second step, backup code',
      path: `${second}&with=backup_code`,
      who: asked.visitor,
      kind: 'second',
    },
    {
      name: 'second step refused',
      path: `/signin/second?flow=${refused.flow}`,
      who: refused.visitor,
      kind: 'second',
    },
  ]
}

export async function signedInPages(): Promise<Exhibit[]> {
  const person = newPerson()
  const [visitor, other] = [new Visitor(), new Visitor()]
  await visitor.signUp(person)
  await other.signIn(person)
  const list = (await visitor.get('/account/devices')).body
  const device = /confirm=([0-9a-f-]{36})/.exec(list)?.[1] ?? ''
  const again = visitor.copy()
  const request = new URL(await fromApp(visitor), 'http://x').searchParams.get('request') ?? ''
  await visitor.post('/consent/submit', { request, decision: 'allow' })
  const app = /\/account\/apps\/[\w.-]+/.exec((await visitor.get('/account/apps')).body)?.[0] ?? ''
  return [
    { name: 'overview', path: '/account', who: visitor },
    { name: 'profile', path: '/account/profile', who: visitor },
    { name: 'devices', path: '/account/devices', who: visitor },
    { name: 'a device', path: `/account/devices/${device}`, who: visitor, kind: 'devices' },
    { name: 'end one device', path: `/account/devices?confirm=${device}`, who: visitor, kind: 'devices' },
    { name: 'connected apps', path: '/account/apps', who: visitor },
    { name: 'a connected app', path: app, who: visitor, kind: 'connected apps' },
    { name: 'remove an app', path: `${app}?remove=1`, who: visitor, kind: 'connected apps' },
    { name: 'access tokens', path: '/account/tokens', who: visitor },
    { name: 'activity', path: '/account/activity', who: visitor },
    { name: 'your data', path: '/account/data', who: visitor },
    { name: 'end all others', path: '/account/devices?confirm=others', who: visitor, kind: 'devices' },
    { name: 'security', path: '/account/security', who: visitor },
    { name: 'security: authenticator app', path: '/account/security/authenticator', who: visitor },
    { name: 'security: backup codes', path: '/account/security/codes', who: visitor },
    { name: 'sign out', path: '/signout', who: visitor },
    { name: 'a code of a device', path: '/device?user_code=BCDF-GHJK', who: visitor },
    { name: 'a device that is not there', path: '/device/done', who: visitor },
    { name: 'consent', path: await fromApp(visitor, '?prompt=consent'), who: visitor },
    { name: 'an app for other people', path: await fromStaffRoom(visitor), who: visitor },
    { name: 'prove again', path: await fromApp(again, '?prompt=login'), who: again, kind: 'sign-in' },
  ]
}

/** The administration, and an app whose request was just refused. */
async function administration(): Promise<Exhibit[]> {
  const operator = new Visitor()
  await operator.signIn(demoAdmin())
  const app = /\/admin\/apps\/[\w.-]+/.exec((await operator.get('/admin/apps?q=Demo')).body)?.[0] ?? ''
  const clientId = app.split('/').at(-1) ?? ''
  await new Visitor().get(`/oidc/auth?client_id=${clientId}&redirect_uri=https://wrong.example.com/`)
  const about = { who: operator, kind: 'an app' }
  return [
    { name: 'administration: apps', path: '/admin/apps', who: operator },
    { name: 'administration: nothing found', path: '/admin/apps?q=no+such+app', who: operator, kind: 'apps' },
    { name: 'administration: register', path: '/admin/register', who: operator },
    { name: 'administration: an app', path: app, ...about },
    { name: 'administration: change an app', path: `${app}/edit`, ...about },
    { name: 'administration: connect an app', path: `${app}/connect`, ...about },
    { name: 'administration: test a sign-in', path: `${app}/trial`, ...about },
    { name: 'administration: claims of an app', path: `${app}/claims`, ...about },
    { name: 'administration: the clinic', path: `${app}/clinic`, ...about },
    { name: 'administration: a new secret', path: `${app}?ask=rotate`, ...about },
    { name: 'administration: switch an app off', path: `${app}?ask=off`, ...about },
    { name: 'administration: remove an app', path: `${app}?ask=remove`, ...about },
  ]
}

const ALL = [signedOutPages, verification, secondStep, signedInPages, administration]

/** @param rooms only these; each has people of its own, who sign up and in meanwhile */
export const gallery = async (rooms: (() => Promise<Exhibit[]>)[] = ALL): Promise<Exhibit[]> =>
  (await Promise.all(rooms.map((open) => open()))).flat()
