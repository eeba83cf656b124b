/** Every page in every state that a person can meet it in, ready to be opened. */
import { latestMail } from './mailbox'
import { newPerson } from './people'
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

/** Where a relying app's request with these parameters leads this visitor first. */
async function fromApp(visitor: Visitor, parameters = ''): Promise<string> {
  const start = await fetch(`${process.env.E2E_DEMO_URL}/login${parameters}`, { redirect: 'manual' })
  let next = (start.headers.get('location') ?? '').slice(visitor.place.url.length)
  for (let hops = 0; hops < 6 && !/^\/(consent|signin|signup)\?/.test(next); hops++) {
    next = (await visitor.get(next)).location
  }
  return next
}

async function signedOutPages(): Promise<Exhibit[]> {
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

async function verification(): Promise<Exhibit[]> {
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

async function signedInPages(): Promise<Exhibit[]> {
  const person = newPerson()
  const [visitor, other] = [new Visitor(), new Visitor()]
  await visitor.signUp(person)
  await other.signIn(person)
  const { sid } = await other.session()
  const again = visitor.copy()
  return [
    { name: 'overview', path: '/account', who: visitor },
    { name: 'profile', path: '/account/profile', who: visitor },
    { name: 'devices', path: '/account/devices', who: visitor },
    { name: 'end one session', path: `/account/devices?confirm=${sid}`, who: visitor, kind: 'devices' },
    { name: 'end all others', path: '/account/devices?confirm=others', who: visitor, kind: 'devices' },
    { name: 'security', path: '/account/security', who: visitor },
    { name: 'security: authenticator app', path: '/account/security/authenticator', who: visitor },
    { name: 'security: backup codes', path: '/account/security/codes', who: visitor },
    { name: 'sign out', path: '/signout', who: visitor },
    { name: 'consent', path: await fromApp(visitor), who: visitor },
    { name: 'prove again', path: await fromApp(again, '?prompt=login'), who: again, kind: 'sign-in' },
  ]
}

export const gallery = async (): Promise<Exhibit[]> => [
  ...(await signedOutPages()),
  ...(await verification()),
  ...(await signedInPages()),
]
