/**
 * What an app's requests were refused for, kept for a week for its developers: precise reasons, and nothing that
 * anybody could sign in with or that says who a person is.
 */
import { now } from '../base/clock'
import { log } from '../base/log'
import { stateOf } from './context'
import type { errors, KoaContextWithOIDC } from './library'
import * as store from './store-log'

export interface LogEntry {
  /** ISO 8601. */
  at: string
  /** Where the request came to: authorization, token, userinfo, … */
  endpoint: string
  /** OAuth error code. */
  error: string
  /** What the app was told. */
  description: string | null
  /** What it was not told. */
  detail: string | null
  /** The redirect URI it asked for, without query and fragment, where that was what is wrong. */
  redirectUri: string | null
  requestId: string
}

const MOST_CHARACTERS = 300

/** One line of bounded length; parameters that an error repeats came from anybody. */
const line = (text: unknown): string | null =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what goes
  typeof text === 'string' ? text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, MOST_CHARACTERS) : null

/** An address without what may be secret in it. */
function bare(uri: unknown): string | null {
  if (typeof uri !== 'string' || !URL.canParse(uri)) return null
  const { protocol, host, pathname } = new URL(uri)
  return line(`${protocol}${host ? `//${host}` : ''}${pathname}`)
}

/** Keeps why a request of a known app was refused. Never throws and is never waited for: the answer is what counts. */
export function note(ctx: KoaContextWithOIDC, error: InstanceType<typeof errors.OIDCProviderError>): void {
  const clientId = ctx.oidc?.client?.clientId
  if (!clientId) return
  const { whyNot, caller } = stateOf(ctx.req)
  const wrongAddress = error.error === 'invalid_redirect_uri'
  store
    .push(clientId, {
      at: now().toISOString(),
      endpoint: ctx.oidc.route,
      error: error.error,
      description: line(error.error_description),
      detail: line(whyNot ?? error.error_detail),
      redirectUri: wrongAddress ? bare(ctx.oidc.params?.redirect_uri) : null,
      requestId: caller.requestId,
    })
    .catch((cause: Error) => log().debug({ err: cause.message }, 'a refusal was not kept for the app'))
}

/** The newest refusals of an app, newest first. @throws StoresDown */
export const recent = (clientId: string, limit: number = store.MOST): Promise<LogEntry[]> =>
  store.read(clientId, Math.max(1, Math.min(limit, store.MOST)))

/** For an app that is removed: whoever gets its id next starts without. */
export function forget(clientId: string): void {
  store
    .forget(clientId)
    .catch((cause: Error) => log().warn({ err: cause.message }, 'refusals of an app were not removed'))
}
