import { beforeAll, expect, it } from 'vitest'
import { useStores } from '../testing'
import { ask, newApp } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'

const stores = useStores({ LIMIT_REQUESTS_BURST: '5', LIMIT_REQUESTS_PER_MINUTE: '1' })
let portal: Portal

beforeAll(async () => {
  portal = await startPortal()
  return () => portal.stop()
})

it('RL7: requests_begun_by_nobody_in_particular_are_bounded_for_each_network', async () => {
  const app = await newApp()
  const answers = []
  for (let n = 0; n < 14; n++) answers.push(await new Browser(portal).go(ask(portal, app).url))
  const waiting = answers.filter((at) => at.url.pathname === '/signin/start')
  expect(waiting).toHaveLength(10)
  expect(await stores.redis().keys('oidc:Interaction:*')).toHaveLength(10)
  // The app is told, as it is of anything else.
  const { searchParams } = answers.at(-1)?.url ?? new URL('http://none')
  expect(searchParams.get('error')).toBe('temporarily_unavailable')
  expect(searchParams.get('iss')).toBe(portal.issuer)
})
