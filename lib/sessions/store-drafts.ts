/** Redis of the drafts; every command is atomic by itself. */
import { KEYS, key } from '../base/keys'
import { withRedis } from '../base/redis'

export const write = (sid: string, page: string, sealed: string): Promise<unknown> =>
  withRedis((client) => client.set(key('draft', sid, page), sealed, 'EX', KEYS.draft.ttlSeconds))

export const read = (sid: string, page: string): Promise<string | null> =>
  withRedis((client) => client.get(key('draft', sid, page)))

export const remove = (sid: string, page: string): Promise<unknown> =>
  withRedis((client) => client.del(key('draft', sid, page)))
