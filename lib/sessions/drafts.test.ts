import { describe, expect, it } from 'vitest'
import { uuid } from '../base/ids'
import { key } from '../base/keys'
import { useStores } from '../testing'
import * as drafts from './drafts'
import type { SessionFacts } from './facts'

const stores = useStores()
const PAGE = '/account/emails'
const draft = { form: 'add', values: { email: 'canary-5f1c@example.com' } }

/** Drafts look at nothing of a session but its id. */
const session = () => ({ sid: uuid() }) as SessionFacts

describe('a draft', () => {
  it('is there for its session and page until it is dropped, for fifteen minutes at most', async () => {
    const mine = session()
    await drafts.keep(mine, PAGE, draft)
    expect(await drafts.read(mine, PAGE)).toEqual(draft)
    expect(await drafts.read(mine, PAGE)).toEqual(draft)
    expect(await drafts.read(mine, '/account/phones')).toBeNull()
    expect(await drafts.read(session(), PAGE)).toBeNull()
    const left = await stores.redis().ttl(key('draft', mine.sid, PAGE))
    expect(left).toBeGreaterThan(890)
    expect(left).toBeLessThanOrEqual(900)
    await drafts.drop(mine, PAGE)
    expect(await drafts.read(mine, PAGE)).toBeNull()
  })

  it('gives way to a newer one of its page', async () => {
    const mine = session()
    await drafts.keep(mine, PAGE, draft)
    await drafts.keep(mine, PAGE, { form: 'rename', values: { id: '1' } })
    expect(await drafts.read(mine, PAGE)).toEqual({ form: 'rename', values: { id: '1' } })
  })

  it('draft_moved_to_another_session_or_page_does_not_open', async () => {
    const [mine, theirs] = [session(), session()]
    await drafts.keep(mine, PAGE, draft)
    const sealed = (await stores.redis().get(key('draft', mine.sid, PAGE))) ?? ''
    expect(sealed).not.toContain('canary-5f1c')
    await stores.redis().set(key('draft', theirs.sid, PAGE), sealed)
    await stores.redis().set(key('draft', mine.sid, '/account/phones'), sealed)
    expect(await drafts.read(theirs, PAGE)).toBeNull()
    expect(await drafts.read(mine, '/account/phones')).toBeNull()
  })

  it('that is very long is not kept', async () => {
    const mine = session()
    await drafts.keep(mine, PAGE, { form: 'add', values: { email: 'a'.repeat(9000) } })
    expect(await drafts.read(mine, PAGE)).toBeNull()
  })
})
