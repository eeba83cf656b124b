/** Redis of what apps were refused: one capped list an app. Its commands go together (MULTI), so none is without its end. */
import { KEYS, key } from '../base/keys'
import { withRedis } from '../base/redis'
import type { LogEntry } from './client-log'

/** As many refusals of one app are kept. */
export const MOST = 100

/** Puts a refusal on top; the oldest beyond `MOST` go, and all of them a week after the last one. */
export async function push(clientId: string, entry: LogEntry): Promise<void> {
  const list = key('clientLog', clientId)
  await withRedis((redis) =>
    redis
      .multi()
      .lpush(list, JSON.stringify(entry))
      .ltrim(list, 0, MOST - 1)
      .expire(list, KEYS.clientLog.ttlSeconds)
      .exec(),
  )
}

/** Newest first. */
export async function read(clientId: string, limit: number): Promise<LogEntry[]> {
  const found = await withRedis((redis) => redis.lrange(key('clientLog', clientId), 0, limit - 1))
  return found.map((text) => JSON.parse(text) as LogEntry)
}

export const forget = async (clientId: string): Promise<void> => {
  await withRedis((redis) => redis.del(key('clientLog', clientId)))
}
