/** Lets time pass for a person, by way of the running portal's own stores. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Page } from '@playwright/test'
import pg from 'pg'
import { expect } from './fixtures'
import type { Person } from './people'

const stores = (): { databaseUrl: string; redisUrl: string } =>
  JSON.parse(readFileSync(path.join(process.env.E2E_DATA ?? '', 'run.json'), 'utf8'))

/** One statement on the portal's database. */
export async function sql(text: string, values: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: stores().databaseUrl })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}

/**
 * Twenty minutes pass for the person's sessions, or for this one alone. Nobody tells the caches of what is written past the rooms: Redis
 * forgets now, the process within seconds.
 */
export async function age(page: Page, person: Person, here = false): Promise<void> {
  const { sid } = (await (await page.request.get('/api/session')).json()) as { sid: string }
  await sql(
    `UPDATE sessions SET auth_at = now() - interval '20 minutes', created_at = now() - interval '20 minutes'
     WHERE user_id = (SELECT user_id FROM emails WHERE address = $1) AND (id = $2 OR NOT $3)`,
    [person.email, sid, here],
  )
  const { Redis } = await import('ioredis')
  const redis = new Redis(stores().redisUrl)
  await redis.del(`session:valid:${sid}`)
  redis.disconnect()
  await expect
    .poll(
      async () => {
        const { authTime } = (await (await page.request.get('/api/session')).json()) as { authTime: number }
        return Date.now() / 1000 - authTime
      },
      { timeout: 15_000 },
    )
    .toBeGreaterThan(600)
}
