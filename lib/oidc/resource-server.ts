/** What the library asks about APIs that tokens are asked for (RFC 8707), and what it puts into their tokens (RFC 9068). */
import { mappedClaims } from './claims'
import * as clients from './clients'
import { type Client, errors, type KoaContextWithOIDC } from './library'
import { managementId } from './management'
import { type Reach, reachOf } from './resources'

const MACHINE = 'client_credentials'

async function reach(client: Client, id: string): Promise<Reach> {
  const row = clients.rowOf.get(client)
  const found = row && (await reachOf(row.settings, id))
  // One answer for "there is none" and "not for this app": whoever asks learns nothing.
  if (!found) throw new errors.InvalidTarget('this client gets no tokens for that resource')
  return found
}

/** What tokens for an API look like and may hold, for this app. */
export async function getResourceServerInfo(ctx: KoaContextWithOIDC, id: string, client: Client) {
  const { row, scopes } = await reach(client, id)
  // Nobody's consent lets an app manage apps: it acts for itself or not at all.
  if (id === managementId() && ctx.oidc.params?.grant_type !== MACHINE)
    throw new errors.InvalidTarget('this client gets no tokens for that resource')
  // Nobody is asked who could notice that less was given: an app that acts for itself asks for what it may have.
  if (ctx.oidc.params?.grant_type === MACHINE) {
    const wrong = [...ctx.oidc.requestParamScopes].find((scope) => scope && !scopes.includes(scope))
    if (wrong) throw new errors.InvalidScope('requested scope is not allowed', wrong)
  }
  return {
    scope: scopes.join(' '),
    audience: row.id,
    accessTokenFormat: row.format,
    ...(row.lifetimeSeconds && { accessTokenTTL: row.lifetimeSeconds }),
    ...(row.format === 'jwt' && { jwt: { sign: { alg: row.algorithm as 'ES256' } } }),
  }
}

/** The API that is meant when none is named: an app that acts for itself and has one only means that one. */
export async function defaultResource(
  ctx: KoaContextWithOIDC,
  client: Client,
  oneOf?: readonly string[],
): Promise<string | readonly string[] | undefined> {
  if (oneOf) return oneOf
  if (ctx.oidc.params?.grant_type !== MACHINE) return undefined
  const [only, ...others] = Object.keys(clients.rowOf.get(client)?.settings.resources ?? {})
  if (only === undefined || others.length > 0)
    throw new errors.InvalidTarget('name the API by the parameter resource')
  return only
}

/**
 * RFC 9068 sections 2.2.1 and 2.2.2: how and when the person behind the token proved who they are, and the claims that the
 * operator maps for the app, as far as the person granted their scopes; nothing where there is nobody.
 */
export async function describePerson(
  ctx: KoaContextWithOIDC,
  token: { kind?: string; accountId?: string },
  jwt: { payload: Record<string, unknown> },
): Promise<void> {
  if (token.kind !== 'AccessToken') return
  const { AuthorizationCode, DeviceCode, RefreshToken } = ctx.oidc.entities
  const source = AuthorizationCode ?? DeviceCode ?? RefreshToken
  if (!source || !token.accountId) return
  const { authTime, acr, amr, scope } = source as {
    authTime?: number
    acr?: string
    amr?: string[]
    scope?: string
  }
  const row = ctx.oidc.client && clients.rowOf.get(ctx.oidc.client)
  // A token that was asked for with less says less.
  const asked = typeof ctx.oidc.params?.scope === 'string' ? ctx.oidc.params.scope.split(' ') : null
  const granted = new Set((scope ?? '').split(' ').filter((one) => asked?.includes(one) ?? true))
  const mapped = row?.settings.claims
    ? await mappedClaims(row, token.accountId, 'access_token', granted)
    : null
  jwt.payload = { ...mapped, ...jwt.payload, auth_time: authTime, acr, amr }
}
