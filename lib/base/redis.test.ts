import type { Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { useStores } from '../testing'
import { CHANNELS } from './keys'
import { redis, subscribe, withRedis } from './redis'

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

test('what is asked in one turn leaves as one packet, and what is asked later does not wait for it', async () => {
  const ask = (name: string) => withRedis((client) => client.set(name, name, 'PX', 60_000))
  await ask('first')
  const socket = redis().stream as Socket
  const sent = vi.spyOn(socket, '_writev' as 'write')
  const alone = vi.spyOn(socket, '_write' as 'write')
  try {
    expect(await Promise.all(['a', 'b', 'c', 'd'].map(ask))).toEqual(['OK', 'OK', 'OK', 'OK'])
    expect([sent.mock.calls.length, alone.mock.calls.length]).toEqual([1, 0])
    await ask('e')
    expect(await withRedis((client) => client.mget('a', 'd', 'e'))).toEqual(['a', 'd', 'e'])
    expect(socket.writableCorked).toBe(0)
  } finally {
    sent.mockRestore()
    alone.mockRestore()
  }
})
