/**
 * What a form just did, told on the page it leads to. It travels in a short-lived cookie and not in the
 * address, so that no link can make a page claim something that did not happen.
 */
import { cookies } from 'next/headers'
import type { z } from 'zod'
import { requests } from '@/lib'

const COOKIE = 'gatehouse.outcome'
const SECONDS = 10

/**
 * The outcomes of one page: `keep` before the redirect to it, `last` while it is made.
 * @param options.fromElsewhere the redirect is the end of a way through another site, on which strict cookies do not come along
 */
export function outcomesOf<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  options: { fromElsewhere?: boolean } = {},
) {
  return {
    async keep(outcome: z.infer<Schema>): Promise<void> {
      const store = await cookies()
      store.set(COOKIE, JSON.stringify(outcome), {
        path,
        httpOnly: true,
        sameSite: options.fromElsewhere ? 'lax' : 'strict',
        secure: requests.settings().https,
        maxAge: SECONDS,
      })
    },
    /** The outcome to tell, or null. */
    async last(): Promise<z.infer<Schema> | null> {
      const value = (await cookies()).get(COOKIE)?.value
      if (!value) return null
      try {
        return schema.parse(JSON.parse(value))
      } catch {
        return null
      }
    },
  }
}
