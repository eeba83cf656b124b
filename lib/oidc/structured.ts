/**
 * Signed access tokens. APIs verify them by themselves; whoever asks here all the same, by introspection or
 * revocation, gets an answer like for any other token: the same payload is kept beside it, named by the hash of the
 * token as a whole, so it passes the same gate and no signature need be looked at; but what a key signed that is no
 * longer published is nothing here either. The library refuses to introspect what looks like a JWT, so there it goes by
 * another name for the length of the request.
 */
import { decodeProtectedHeader } from 'jose'
import { randomToken } from '../base/ids'
import { stateOf } from './context'
import { isPublished } from './keys'
import type { AdapterPayload, KoaContextWithOIDC, Provider } from './library'

interface Made {
  value: string
  payload?: AdapterPayload
}

interface Token {
  remainingTTL: number
  adapter: { upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> }
  getValueAndPayload(): Promise<Made>
}

/** Keeps the payload of every access token that is signed. */
export function keepStructured(provider: Provider): void {
  const { AccessToken, ClientCredentials, BaseToken } = provider as unknown as Record<
    'AccessToken' | 'ClientCredentials' | 'BaseToken',
    { prototype: Token }
  >
  const asKept = BaseToken.prototype.getValueAndPayload
  for (const { prototype } of [AccessToken, ClientCredentials]) {
    const make = prototype.getValueAndPayload
    prototype.getValueAndPayload = async function getValueAndPayload(this: Token): Promise<Made> {
      const made = await make.call(this)
      if (made.payload) return made
      const { payload } = await asKept.call(this)
      if (payload) await this.adapter.upsert(made.value, payload, this.remainingTTL)
      return made
    }
  }
}

const ASKED_AT = new Set(['introspection', 'revocation'])
const LOOKS_SIGNED = /^[\w-]+\.[\w-]+\.[\w-]+$/

function signedByOurs(token: string): boolean {
  try {
    const { kid } = decodeProtectedHeader(token)
    return kid !== undefined && isPublished(kid)
  } catch {
    return false
  }
}

/** Gives a signed token that is shown at introspection or revocation a name that the library looks up. */
export function nameStructured(Context: { prototype: object }): void {
  const bodies = new WeakMap<object, Record<string, unknown>>()
  Object.defineProperty(Context.prototype, 'body', {
    configurable: true,
    get(this: object) {
      return bodies.get(this)
    },
    set(this: { ctx: KoaContextWithOIDC; route: string }, body: Record<string, unknown>) {
      const token = body.token
      if (!ASKED_AT.has(this.route) || typeof token !== 'string' || !LOOKS_SIGNED.test(token)) {
        bodies.set(this, body)
        return
      }
      const name = `shown-${randomToken()}`
      if (signedByOurs(token)) stateOf(this.ctx.req).shown = { token, name }
      bodies.set(this, { ...body, token: name })
    },
  })
}
