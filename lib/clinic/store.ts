/** Redis of the clinic: the newest report of each app, written whole. */
import { KEYS, key } from '../base/keys'
import { withRedis } from '../base/redis'
import type { Report } from './checks'

export const write = async (report: Report): Promise<void> => {
  await withRedis((redis) =>
    redis.set(key('clinic', report.clientId), JSON.stringify(report), 'EX', KEYS.clinic.ttlSeconds),
  )
}

export async function read(clientId: string): Promise<Report | null> {
  const text = await withRedis((redis) => redis.get(key('clinic', clientId)))
  return text === null ? null : (JSON.parse(text) as Report)
}
