import { expect, test } from 'vitest'
import { useStores } from '../testing'
import { CHANNELS } from './keys'
import { subscribe } from './redis'

const stores = useStores()

test('a message that is not of our shape reaches nobody and ends nothing', async () => {
  const heard: string[] = []
  const stop = await subscribe(CHANNELS.sessionRevoked, (payload) => {
    for (const sid of (payload as { sessionIds: string[] }).sessionIds) heard.push(sid)
  })
  for (const text of ['null', '{}', '[1]', 'no json', '{"sessionIds":["a"]}']) {
    await stores.redis().publish(CHANNELS.sessionRevoked, text)
  }
  await expect.poll(() => heard).toEqual(['a'])
  stop()
})
