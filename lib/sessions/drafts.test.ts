import { describe, expect, it } from 'vitest'
import { randomToken, uuid } from '../base/ids'
import { key } from '../base/keys'
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

  it('that is very long is not kept', async () => {
    const [mine, here] = [session(), browser()]
    await drafts.keep(mine, here, PAGE, { form: 'add', values: { email: 'a'.repeat(33_000) } })
    expect(await drafts.read(mine, here, PAGE)).toBeNull()
  })
})
