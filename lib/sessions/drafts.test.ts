import { describe, expect, it, vi } from 'vitest'
import { randomToken, uuid } from '../base/ids'
import { key } from '../base/keys'
import { redis } from '../base/redis'
import { testCaller, useStores } from '../testing'
import * as drafts from './drafts'
import type { SessionFacts } from './facts'

const stores = useStores()
const PAGE = '/account/emails'
const draft = { form: 'add', values: { email: 'canary-5f1c@example.com' } }

/** Drafts look at nothing of a session but its id. */
const session = () => ({ sid: uuid() }) as SessionFacts

/** A browser as it comes back: by its device cookie. */
const browser = () => testCaller({ cookies: { 'gatehouse.device': randomToken() } })

describe('a draft', () => {
  it('is there for its session, page and browser until it is dropped, for fifteen minutes at most', async () => {
    const [mine, here] = [session(), browser()]
    await drafts.keep(mine, here, PAGE, draft)
    expect(await drafts.read(mine, here, PAGE)).toEqual(draft)
    expect(await drafts.read(mine, here, PAGE)).toEqual(draft)
    expect(await drafts.read(mine, here, '/account/phones')).toBeNull()
    expect(await drafts.read(session(), here, PAGE)).toBeNull()
    const left = await stores.redis().ttl(key('draft', mine.sid, PAGE))
    expect(left).toBeGreaterThan(890)
    expect(left).toBeLessThanOrEqual(900)
    await drafts.drop(mine, PAGE)
    expect(await drafts.read(mine, here, PAGE)).toBeNull()
  })

  it('draft_planted_with_a_copied_session_cookie_is_not_shown_to_its_owner', async () => {
    const mine = session()
    const planted = { form: 'add', values: { email: 'thief@evil.example' } }
    await drafts.keep(mine, browser(), PAGE, planted)
    expect(await drafts.read(mine, browser(), PAGE)).toBeNull()
    await drafts.keep(mine, testCaller(), PAGE, planted)
    expect(await drafts.read(mine, testCaller(), PAGE)).toBeNull()
  })

  it('gives way to a newer one of its page', async () => {
    const [mine, here] = [session(), browser()]
    await drafts.keep(mine, here, PAGE, draft)
    const newer = { form: 'rename', values: { id: '1' } }
    await drafts.keep(mine, here, PAGE, newer)
    expect(await drafts.read(mine, here, PAGE)).toEqual(newer)
  })

  it('draft_moved_to_another_session_or_page_does_not_open', async () => {
    const [mine, theirs, here] = [session(), session(), browser()]
    await drafts.keep(mine, here, PAGE, draft)
    const sealed = (await stores.redis().get(key('draft', mine.sid, PAGE))) ?? ''
    expect(sealed).not.toContain('canary-5f1c')
    await stores.redis().set(key('draft', theirs.sid, PAGE), sealed)
    await stores.redis().set(key('draft', mine.sid, '/account/phones'), sealed)
    expect(await drafts.read(theirs, here, PAGE)).toBeNull()
    expect(await drafts.read(mine, here, '/account/phones')).toBeNull()
  })

  it('a_form_as_long_as_the_host_lets_in_is_kept_and_a_longer_one_is_said_to_be_lost', async () => {
    const [mine, here] = [session(), browser()]
    // Letters that JSON writes twice, and some that UTF-8 does.
    const long = { form: 'edit', values: { jwks: '"ü\n\\'.repeat(65_536) } }
    expect(await drafts.keep(mine, here, PAGE, long)).toBe(true)
    expect(await drafts.read(mine, here, PAGE)).toEqual(long)
    const longer = { form: 'edit', values: { ...long.values, name: 'a' } }
    expect(await drafts.keep(mine, here, '/account/phones', longer)).toBe(false)
    expect(await drafts.read(mine, here, '/account/phones')).toBeNull()
  })

  it('a_draft_that_cannot_be_kept_is_said_to_be_lost', async () => {
    expect(await drafts.keep(session(), testCaller(), PAGE, draft)).toBe(false)
    const down = vi.spyOn(redis(), 'set').mockRejectedValue(new Error('Connection is closed.'))
    expect(await drafts.keep(session(), browser(), PAGE, draft)).toBe(false)
    down.mockRestore()
  })
})
