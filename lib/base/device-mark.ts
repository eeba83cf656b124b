/** Tells events of one browser from those of others, without naming it anywhere else. */
import { env } from './env'
import { sha256 } from './secrets'

const TOKEN = /^[\w-]{43}$/

/** Of the device cookie that a request brought; null from a browser that has none. */
export function deviceMark(cookies: Record<string, string>): string | null {
  const token = cookies[`${env().https ? '__Host-' : ''}gatehouse.device`]
  return token && TOKEN.test(token) ? sha256(token).slice(0, 22) : null
}
