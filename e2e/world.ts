/**
 * The people of an attack: somebody with something to lose, and everybody who is not them. Each has
 * real cookies, got by the real ways.
 */
import { latestMail } from './mailbox'
import { newPerson, type Person } from './people'
import type { Portal } from './portal'
import { Visitor } from './visitor'

export interface World {
  portal: Portal
  /** Signed in; what is attacked is theirs. */
  victim: Visitor
  person: Person
  userId: string
  /** Their session in `victim`, and another one of theirs. */
  sid: string
  otherSid: string
  /** The device of that other one. */
  otherDevice: string
  /** A sign-in they have begun, a sign-up of theirs that waits for its code, and that code. */
  signInFlow: string
  signUpFlow: string
  code: string
  /** The browser of those two. */
  undecided: Visitor
  /** Their question whether an app may know them, not answered yet. */
  consent: string
}

/** Goes on as a guest at the demo app, which must take guests. */
export async function becomeGuest(portal: Portal): Promise<Visitor> {
  const visitor = new Visitor(portal)
  const start = await fetch(`${portal.demoUrl}/login`, { redirect: 'manual' })
  let next = (start.headers.get('location') ?? '').slice(portal.url.length)
  for (let hops = 0; hops < 4; hops++) {
    const flow = /^\/signin\?flow=([\w-]+)/.exec(next)?.[1]
    if (flow) {
      await visitor.post('/signin/guest', { flow })
      return visitor
    }
    next = (await visitor.get(next)).location
  }
  throw new Error(`no sign-in was asked for: ${next}`)
}

/** Everybody else who may try, each time as a fresh copy. */
export const STRANGERS = ['anonymous', 'half signed in', 'another user', 'revoked session'] as const
export type Stranger = (typeof STRANGERS)[number]

export interface Cast extends World {
  as(stranger: Stranger): Visitor
}

/** The answer to "may this app know you?" that waits for a signed-in visitor. */
async function waitingConsent(visitor: Visitor, portal: Portal): Promise<string> {
  const start = await fetch(`${portal.demoUrl}/login`, { redirect: 'manual' })
  let next = (start.headers.get('location') ?? '').slice(portal.url.length)
  for (let hops = 0; hops < 6; hops++) {
    const request = /^\/consent\?request=([^&]+)/.exec(next)?.[1]
    if (request) return decodeURIComponent(request)
    next = (await visitor.get(next)).location
  }
  throw new Error(`no consent was asked for: ${next}`)
}

export async function setScene(portal: Portal): Promise<Cast> {
  const person = newPerson()
  const [victim, second, third] = [new Visitor(portal), new Visitor(portal), new Visitor(portal)]
  await victim.signUp(person)
  await second.signIn(person)
  await third.signIn(person)
  const revoked = third.copy()
  await third.post('/signout/submit', {})

  const undecided = new Visitor(portal)
  const newcomer = newPerson()
  const { flow: signUpFlow } = await undecided.submitSignUp(newcomer)
  const code = (await latestMail(newcomer.email, 1, portal.url)).codes[0] ?? ''
  const signInFlow = await undecided.begin()

  const half = new Visitor(portal)
  await half.submitSignUp(newPerson())
  const another = new Visitor(portal)
  await another.signUp(newPerson())

  const { userId = '', sid = '' } = await victim.session()
  const { sid: otherSid = '' } = await second.session()
  const list = (await victim.get('/account/devices')).body
  const otherDevice = /confirm=([0-9a-f-]{36})/.exec(list)?.[1] ?? ''
  const strangers: Record<Stranger, Visitor> = {
    anonymous: new Visitor(portal),
    'half signed in': half,
    'another user': another,
    'revoked session': revoked,
  }
  return {
    portal,
    victim,
    person,
    userId,
    sid,
    otherSid,
    otherDevice,
    signInFlow,
    signUpFlow,
    code,
    undecided,
    consent: await waitingConsent(victim, portal),
    as: (stranger) => strangers[stranger].copy(),
  }
}

/** Where a page of the attacker might be served from, and what is no origin at all. */
export const foreignOrigins = (portal: {
  url: string
}): Record<string, Record<string, string | undefined>> => {
  const own = new URL(portal.url)
  return {
    'another site': { origin: 'https://evil.example' },
    'no site (sandboxed frame)': { origin: 'null' },
    'no Origin at all': { origin: undefined },
    'our name with more behind it': { origin: `${portal.url}.evil.example` },
    'our name as a user': { origin: `http://${own.host}@evil.example` },
    'another port of ours': { origin: `http://${own.hostname}:1` },
    'another scheme': { origin: portal.url.replace(/^http:/, 'https:') },
    'ours in capitals': { origin: portal.url.toUpperCase() },
    'ours, but the browser knows better': { origin: portal.url, 'sec-fetch-site': 'same-site' },
    'ours, says another site': { origin: portal.url, 'sec-fetch-site': 'cross-site' },
  }
}
