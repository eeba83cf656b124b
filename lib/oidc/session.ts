/**
 * The provider keeps no session of its own. What it sees as one is a view of our session's facts, made
 * for each request; nothing is stored, so there is nothing that could disagree.
 */
import { sha256 } from '../base/secrets'
import { stateOf } from './context'
import type { KoaContextWithOIDC, Provider } from './library'

/** The `sid` an app knows a session by (Back-Channel Logout section 2.1): differs by app, names no row. */
export const sidFor = (sessionId: string, clientId: string): string =>
  sha256(`oidc-sid:${sessionId}:${clientId}`).slice(0, 22)

/** The library's Session model over our facts. `uid` is our session id; codes and tokens carry it as sessionUid. */
export function sessionModel(provider: Provider): Provider['Session'] {
  const Base = provider.Session
  const Session = class Session extends Base {
    static override async get(ctx: KoaContextWithOIDC) {
      const { facts } = stateOf(ctx.req)
      const make = Session as unknown as new (payload?: object) => InstanceType<typeof Base>
      const session = facts
        ? new make({
            jti: facts.sid,
            uid: facts.sid,
            accountId: facts.userId,
            loginTs: Math.floor(facts.authAt / 1000),
            amr: facts.amr,
            acr: facts.acr,
          })
        : new make()
      ctx.oidc.entity('Session', session)
      return session
    }

    override sidFor(clientId: string): string
    override sidFor(clientId: string, value: string): undefined
    override sidFor(clientId: string): string | undefined {
      return sidFor(this.uid, clientId)
    }

    /** The library asks for it at the end of each request that had a session. */
    override async save(): Promise<string> {
      Reflect.defineProperty(this, 'touched', { value: false, writable: true, configurable: true })
      return this.jti
    }

    override async persist(): Promise<string> {
      return this.jti
    }

    /** A view has no identifier of its own; the cookie it would go into is never sent. */
    override resetIdentifier(): void {}
  }
  return Session as unknown as Provider['Session']
}
