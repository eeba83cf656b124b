/** The room's only Redis: the development mailbox (a capped list, each message sealed), and whether SMS is down. */
import { KEYS, key } from '../base/keys'
import { withRedis } from '../base/redis'
import { open, seal } from '../base/secrets'

const CAPACITY = 200

/** A message as the mailbox keeps it. */
export interface KeptMail {
  id: string
  /** ISO 8601. */
  at: string
  to: string
  subject: string
  text: string
  html: string
}

/** Puts a message on top; the oldest beyond 200 go. Sealed, since it holds codes and links that still work. */
export async function keep(mail: KeptMail): Promise<void> {
  const list = key('mailbox')
  const sealed = seal('mailbox', '', JSON.stringify(mail))
  await withRedis((redis) =>
    redis
      .multi()
      .lpush(list, sealed)
      .ltrim(list, 0, CAPACITY - 1)
      .expire(list, KEYS.mailbox.ttlSeconds)
      .exec(),
  )
}

/** All kept messages, newest first; those of another secret are passed over. */
export async function kept(): Promise<KeptMail[]> {
  const sealed = await withRedis((redis) => redis.lrange(key('mailbox'), 0, CAPACITY - 1))
  return sealed.flatMap((item) => {
    try {
      return [JSON.parse(open('mailbox', '', item)) as KeptMail]
    } catch {
      return []
    }
  })
}

export interface Trouble {
  /** ISO 8601. */
  since: string
  /** What the driver said last; holds nothing personal. */
  error: string
}

/** Notes that the SMS driver failed; keeps since when. @returns true for the first failure */
export async function noteTrouble(trouble: Trouble): Promise<boolean> {
  const name = key('smsTrouble')
  const { ttlSeconds } = KEYS.smsTrouble
  const before = await readTrouble()
  const text = JSON.stringify({ ...trouble, since: before?.since ?? trouble.since })
  await withRedis((redis) => redis.set(name, text, 'EX', ttlSeconds))
  return before === null
}

/** Forgets it. @returns whether there was any */
export const troubleOver = async (): Promise<boolean> =>
  (await withRedis((redis) => redis.del(key('smsTrouble')))) > 0

export async function readTrouble(): Promise<Trouble | null> {
  const text = await withRedis((redis) => redis.get(key('smsTrouble')))
  return text ? (JSON.parse(text) as Trouble) : null
}
