/** Unusual sign-ins and many failures, by the real verbs: what is asked, told and left in the history. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import * as notify from '../notify'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as signin from './index'
import {
  begin,
  done,
  FIRST,
  jar,
  must,
  person,
  refusal,
  SECOND,
  type Someone,
  stepOf,
} from './people.fixture'

const { sql } = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })

const BERLIN = { country: 'DE', city: 'Berlin', timezone: 'Europe/Berlin', latitude: 52.5, longitude: 13.4 }
const SYDNEY = {
  country: 'AU',
  city: 'Sydney',
  timezone: 'Australia/Sydney',
  latitude: -33.9,
  longitude: 151.2,
}

beforeAll(async () => {
  await sessions.start()
  return () => sessions.stop()
})
afterEach(() => {
  delete process.env.UNUSUAL_SIGN_IN
  reloadEnv()
  setClock(null)
})
const askForMore = () => {
  process.env.UNUSUAL_SIGN_IN = 'second_factor'
  reloadEnv()
}

/** A browser in a place that has begun a sign-in. */
async function from(place: Caller['place'], cookies: Record<string, string> = {}) {
  const browser = await begin(cookies)
  return { ...browser, caller: { ...browser.caller, place } }
}

/** Signs in at home once, so that there is something to differ from. */
async function atHome(ada: Someone): Promise<Record<string, string>> {
  const browser = await from(BERLIN)
  const { setCookies } = done(await FIRST.password(browser, ada))
  return jar(setCookies, browser.caller.cookies)
}

const events = async (userId: string, type: audit.EventType) => {
  const { items } = await audit.list(userId, { limit: 50, types: [type] })
  return items.map(({ data, place, sessionId }) => ({ data, country: place?.country, sessionId }))
}
/** What was sent to them, newest first. */
async function mails(to: string): Promise<{ subject: string; text: string; links: string[] }[]> {
  await audit.drain()
  return notify.mailbox.list({ to })
}

describe('an unusual sign-in', () => {
  it('goes through by default, is an event with its reasons, and is told in words', async () => {
    const ada = await person()
    const cookies = await atHome(ada)
    setClock(() => Date.now() + 3_600_000)
    const { caller, flow } = await from(SYDNEY)
    done(await FIRST.password({ flow, caller }, ada))
    expect(await events(ada.id, 'signin.unusual')).toMatchObject([
      { data: { reasons: ['new_country', 'impossible_travel'], method: 'password' }, country: 'AU' },
    ])
    const [mail] = await mails(ada.email)
    expect(mail?.subject).toContain('New sign-in')
    expect(mail?.text).toContain('from a country you have not signed in from lately')
    expect(mail?.text).toContain('too far away from your last sign-in')
    const link = mail?.links.find((url) => new URL(url).pathname === '/lockdown')
    expect(link).toBeTruthy()
    // In a browser that is known, it is told as what it is.
    setClock(() => Date.now() + 7_200_000)
    done(await FIRST.password(await from(BERLIN, cookies), ada))
    expect((await mails(ada.email))[0]?.subject).toContain('unusual sign-in')
  })

  it('as always is no event and no mail', async () => {
    const ada = await person()
    const cookies = await atHome(ada)
    done(await FIRST.password(await from(BERLIN, cookies), ada))
    expect(await events(ada.id, 'signin.unusual')).toEqual([])
    expect(await mails(ada.email)).toEqual([])
  })

  it('unusual_sign_in_without_a_second_factor_needs_the_mailbox_too', async () => {
    askForMore()
    const ada = await person()
    await atHome(ada)
    const browser = await from(SYDNEY)
    // Before the first proof nothing is said of it.
    expect(JSON.stringify(must(await signin.expect(browser.flow, browser.caller)))).not.toContain(
      'new_country',
    )
    const wrong = await signin.password(
      browser.flow,
      { email: ada.email, password: 'wrong password here' },
      browser.caller,
    )
    expect(refusal(wrong)).toBe('wrong_credentials')
    expect(await events(ada.id, 'signin.unusual')).toEqual([])

    expect(stepOf(await FIRST.password(browser, ada))).toBe('second')
    const { second } = must(await signin.expect(browser.flow, browser.caller))
    expect(second).toMatchObject({
      why: 'unusual',
      reasons: ['new_country', 'impossible_travel'],
      offers: [{ method: 'email_code' }],
      trustDays: null,
    })
    expect(stepOf(await signin.complete(browser.flow, browser.caller))).toBe('refused: flow_expired')
    // Coming back from a better address takes no reason away.
    const home = { ...browser, caller: { ...browser.caller, place: BERLIN } }
    expect(stepOf(await signin.complete(home.flow, home.caller))).toBe('refused: flow_expired')
    expect(must(await signin.expect(home.flow, home.caller)).step).toBe('second')
    const { facts } = done(await SECOND.email_code(browser, ada))
    expect(facts).toMatchObject({ acr: 'aal1', secondSkipped: false })
    expect(await events(ada.id, 'signin.unusual')).toHaveLength(1)
  })

  it('unusual_sign_in_in_a_trusted_browser_is_asked_for_the_second_factor', async () => {
    askForMore()
    const ada = await person({ totp: true })
    const first = await from(BERLIN)
    await FIRST.password(first, ada)
    const { setCookies } = done(await SECOND.totp(first, ada, true))
    const cookies = jar(setCookies, first.caller.cookies)
    done(await FIRST.password(await from(BERLIN, cookies), ada))
    setClock(() => Date.now() + 60_000)
    const away = await from(SYDNEY, cookies)
    expect(stepOf(await FIRST.password(away, ada))).toBe('second')
    expect(must(await signin.expect(away.flow, away.caller)).second).toMatchObject({ why: 'unusual' })
    done(await SECOND.totp(away, ada))
  })

  it('somebody who proves again who they are is asked for what they have, wherever they are', async () => {
    askForMore()
    const ada = await person()
    const cookies = await atHome(ada)
    const again = await begin(cookies, { reauth: true })
    done(await FIRST.password({ ...again, caller: { ...again.caller, place: SYDNEY } }, ada))
    expect(await events(ada.id, 'signin.unusual')).toEqual([])
  })
})

describe('many failures', () => {
  const fail = async (ada: Someone) => {
    const { flow, caller } = await begin()
    return refusal(await signin.password(flow, { email: ada.email, password: 'not the one' }, caller))
  }
  /** The event is written behind the answer. */
  const settled = (userId: string, count: number) =>
    expect
      .poll(() => events(userId, 'signin.failed').then((all) => all.length), { timeout: 15_000 })
      .toBe(count)

  it('many_failures_are_told_once_without_an_answer_that_differs', async () => {
    const ada = await person()
    await atHome(ada)
    for (let i = 0; i < 9; i++) expect(await fail(ada)).toBe('wrong_credentials')
    await settled(ada.id, 9)
    expect(await mails(ada.email)).toEqual([])
    expect(await fail(ada)).toBe('wrong_credentials')
    await settled(ada.id, 10)
    await expect.poll(async () => (await mails(ada.email)).length, { timeout: 15_000 }).toBe(1)
    // A quarter of an hour later there are tries again; their failures are no more news today.
    setClock(() => Date.now() + 16 * 60_000)
    for (let i = 0; i < 5; i++) expect(await fail(ada)).toBe('wrong_credentials')
    await settled(ada.id, 15)
    const [mail, ...more] = await mails(ada.email)
    expect(more).toEqual([])
    expect(mail?.subject).toContain('Many failed tries')
    // Nobody got in: there is nothing to lock.
    expect(mail?.links.some((url) => url.includes('/lockdown'))).toBe(false)
    // What failed before makes the sign-in after it unusual, with a word about it.
    done(await FIRST.password(await from(BERLIN), ada))
    expect(await events(ada.id, 'signin.unusual')).toMatchObject([{ data: { reasons: ['many_failures'] } }])
    done(await FIRST.password(await from(BERLIN), ada))
    expect(await events(ada.id, 'signin.unusual')).toHaveLength(1)
  })
})

it('a_user_agent_or_place_with_markup_and_control_characters_is_plain_in_the_history', async () => {
  const ada = await person()
  const { flow, caller } = await begin()
  const userAgent = 'Mozilla\n\u001b[31m<script>alert(1)</script>\u202e=HYPERLINK("x")'
  const place = { ...BERLIN, city: '<b>\u0007Ber\u202elin' }
  const evil = { ...caller, userAgent, place }
  must(await signin.password(flow, { email: ada.email, password: 'not the one' }, evil))
  await expect
    .poll(async () => (await audit.list(ada.id, { limit: 1 })).items[0]?.type, { timeout: 15_000 })
    .toBe('signin.failed')
  const [event] = (await audit.list(ada.id, { limit: 1 })).items
  expect(JSON.stringify(event)).not.toMatch(/\p{Cc}|\p{Cf}|\\u00|\\n/u)
  expect(event?.place?.city).toBe('<b> Ber lin')
  const { rows } = await sql('SELECT count(*)::int AS n FROM events WHERE user_id = $1 AND type = $2', [
    ada.id,
    'signin.failed',
  ])
  expect(rows).toEqual([{ n: 1 }])
})
