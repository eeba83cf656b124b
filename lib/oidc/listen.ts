/** What the library tells while it works: reasons for the log, replays for the person's history. */
import type { EventEmitter } from 'node:events'
import { LRUCache } from 'lru-cache'
import { record } from '../audit'
import { log } from '../base/log'
import { StoresDown } from '../base/refusals'
import { note } from './client-log'
import { stateOf } from './context'
import type { errors, KoaContextWithOIDC, Provider } from './library'

const ERROR_EVENTS = [
  'authorization.error',
  'device_authorization.error',
  'device_resume.error',
  'grant.error',
  'introspection.error',
  'revocation.error',
  'userinfo.error',
  'pushed_authorization_request.error',
] as const

const replays = new LRUCache<string, true>({ max: 1000 })

/** A code or refresh token used twice belongs in the person's history: once for each sign-in it ended. */
function noteReplay(ctx: KoaContextWithOIDC, error: InstanceType<typeof errors.OIDCProviderError>): void {
  if (!/ already (used|consumed)$/.test(error.error_detail ?? '')) return
  const { granted, caller } = stateOf(ctx.req)
  for (const [id, { userId, clientId }] of granted) {
    if (replays.has(id)) continue
    replays.set(id, true)
    record(null, {
      type: 'token.reused',
      outcome: 'failure',
      userId,
      clientId,
      caller,
      data: { what: error.error_detail },
    }).catch((cause: Error) => log().warn({ err: cause.message }, 'a replay was not recorded'))
  }
}

/** Developers find the precise reason in the log, and in that of their app; the answer has only the safe words. */
export function listen(provider: Provider): void {
  const events: EventEmitter = provider
  for (const event of ERROR_EVENTS) {
    events.on(event, (ctx: KoaContextWithOIDC, error: InstanceType<typeof errors.OIDCProviderError>) => {
      log().info(
        {
          event,
          route: ctx.oidc?.route,
          clientId: ctx.oidc?.client?.clientId,
          error: error.error,
          description: error.error_description,
          detail: stateOf(ctx.req).whyNot ?? error.error_detail,
        },
        'oidc request refused',
      )
      note(ctx, error)
    })
  }
  events.on('grant.error', noteReplay)
  events.on('server_error', (ctx: KoaContextWithOIDC, error: Error) => {
    if (!(error instanceof StoresDown)) {
      log().error({ err: error, route: ctx.oidc?.route }, 'oidc request failed')
      return
    }
    if (ctx.respond === false) return
    ctx.status = 503
    ctx.set('Retry-After', '2')
    ctx.body = { error: 'temporarily_unavailable', error_description: 'a store does not answer; try again' }
  })
  // Koa prints to stderr when nobody listens.
  events.on('error', (error: Error) => log().warn({ err: error }, 'oidc answer not sent'))
}
