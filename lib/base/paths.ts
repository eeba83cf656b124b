/** Where a browser may be sent: judged by the URL parser, so that no spelling of another origin passes. */
import { env } from './env'

/** A path of our own origin, or `fallback` (`//e`, `/\e`, `https:e`, control characters). RED1. */
export function ownPath(path: string | undefined, fallback: string): string {
  if (!path?.startsWith('/') || path.length > 2000 || /[\p{Cc}\\]/u.test(path)) return fallback
  const { url } = env()
  const parsed = URL.canParse(path, url) ? new URL(path, url) : null
  if (!parsed || parsed.origin !== url || parsed.pathname.startsWith('//')) return fallback
  return parsed.pathname + parsed.search + parsed.hash
}
