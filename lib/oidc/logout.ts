/**
 * Sign-out asked for by an app (OpenID Connect RP-Initiated Logout 1.0). The library judges the hint and
 * the addresses' form; the rest is ours, because its own pages submit themselves by script and never
 * compare the hint with who is signed in.
 *
 * LGO1: without a question only an app's own ID token of this very session signs a person out.
 */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { Caller } from '../base/caller'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import * as sessions from '../sessions'
import { view } from './client-view'
import * as clients from './clients'
import { framesOf, signedOutUrl } from './frontchannel'
import { isPublished } from './keys'
import { errors, type Provider } from './library'
import { sidFor } from './session'
import * as store from './store'
import type { ClientRow } from './store-registry'
import { subjectFor } from './subjects'

const MODEL = 'Logout'
const QUESTION_SECONDS = 600

/** A sign-out that waits for the person's yes. */
interface Kept {
  sid: string
  clientId: string | null
  returnTo: string | null
}

export interface LogoutView {
  id: string
  /** The app that asks; null when it did not say who it is. */
  client: { id: string; name: string; logoUri: string | null } | null
}

export interface Outcome {
  /** Where the browser goes next, absolute. */
  url: string
  setCookies: string[]
}

const PARAMS = [
  'id_token_hint',
  'post_logout_redirect_uri',
  'state',
  'client_id',
  'logout_hint',
  'ui_locales',
] as const
type Params = Partial<Record<(typeof PARAMS)[number], string>>

function read(query: URLSearchParams): Params {
  const params: Params = {}
  for (const name of PARAMS) {
    const values = query.getAll(name)
    if (values.length > 1) throw new errors.InvalidRequest(`'${name}' parameter must not be provided twice`)
    if (values[0]) params[name] = values[0]
  }
  return params
}

interface Hint {
  sub: string
  sid: string | null
}

/**
 * The app that asks, and its ID token if it is good. A token signed by a key we no longer keep says no
 * more than a client_id would, so it counts as that.
 */
async function whoAsks(
  provider: Provider,
  params: Params,
): Promise<{ client: ClientRow | null; hint: Hint | null }> {
  if (!params.id_token_hint) return { client: await named(params.client_id), hint: null }
  let audience: unknown
  let kid: unknown
  let sealed = false
  try {
    const header = decodeProtectedHeader(params.id_token_hint)
    ;({ kid } = header)
    sealed = 'enc' in header
    // What only the app can read says for whom it is (RFC 7519 section 5.3), and no more.
    ;({ aud: audience } = sealed ? (header as { aud?: unknown }) : decodeJwt(params.id_token_hint))
  } catch {
    throw new errors.InvalidRequest('could not decode id_token_hint')
  }
  if (params.client_id && params.client_id !== audience) {
    throw new errors.InvalidRequest('client_id does not match the provided id_token_hint')
  }
  const row = await named(typeof audience === 'string' ? audience : '')
  const client = row && (await provider.Client.find(row.id))
  if (!row || !client) throw new errors.InvalidRequest('unrecognized id_token_hint audience')
  if (sealed || (typeof kid === 'string' && !isPublished(kid))) return { client: row, hint: null }
  const validator = provider.IdToken as unknown as {
    validate(jwt: string, client: object): Promise<{ payload: { sub: string; sid?: unknown } }>
  }
  try {
    const { payload } = await validator.validate(params.id_token_hint, client)
    return {
      client: row,
      hint: { sub: payload.sub, sid: typeof payload.sid === 'string' ? payload.sid : null },
    }
  } catch (cause) {
    throw new errors.InvalidRequest('could not validate id_token_hint', undefined, { cause })
  }
}

async function named(clientId: string | undefined): Promise<ClientRow | null> {
  if (!clientId) return null
  const client = await clients.active(clientId)
  if (!client) throw new errors.InvalidRequest('client is invalid')
  return client
}

function returnAddress(client: ClientRow | null, params: Params): string | null {
  const uri = params.post_logout_redirect_uri
  if (!uri || !client) return null
  // RED3: character by character, and only where the app is registered for it.
  if (!client.metadata.post_logout_redirect_uris.includes(uri)) {
    throw new errors.InvalidRequest('post_logout_redirect_uri not registered')
  }
  const url = new URL(uri)
  if (params.state !== undefined) url.searchParams.set('state', params.state)
  return url.href
}

const signedOut = (returnTo: string | null): string => returnTo ?? `${env().url}/signed-out`

/**
 * Judges a sign-out request.
 * @param query the request's parameters
 * @param facts who is signed in in this browser
 * @throws OIDCProviderError for a request that is wrong
 */
export async function ask(
  provider: Provider,
  query: URLSearchParams,
  facts: sessions.SessionFacts | null,
  caller: Caller,
): Promise<Outcome> {
  const params = read(query)
  const { client, hint } = await whoAsks(provider, params)
  const returnTo = returnAddress(client, params)
  if (!facts) return { url: signedOut(returnTo), setCookies: [] }
  const meant =
    hint !== null &&
    client !== null &&
    hint.sub === subjectFor(client, facts.userId) &&
    hint.sid === sidFor(facts.sid, client.id)
  if (meant) return end({ returnTo }, caller, facts)
  const id = randomToken()
  const kept: Kept = { sid: facts.sid, clientId: client?.id ?? null, returnTo }
  await store.putArtifact({ model: MODEL, id, payload: kept, ttlSeconds: QUESTION_SECONDS })
  return { url: `${env().url}/signout?request=${id}`, setCookies: [] }
}

async function waiting(id: string, facts: sessions.SessionFacts): Promise<Kept | null> {
  if (!/^[\w-]{43}$/.test(id)) return null
  const found = await store.getArtifact<Kept>(MODEL, id)
  return found && found.payload.sid === facts.sid ? found.payload : null
}

/** The sign-out question of this session; null when there is none (any more). */
export async function logoutRequest(id: string, facts: sessions.SessionFacts): Promise<LogoutView | null> {
  const kept = await waiting(id, facts)
  if (!kept) return null
  const row = kept.clientId ? await clients.active(kept.clientId) : null
  if (!row) return { id, client: null }
  const { name, logoUri } = view(row)
  return { id, client: { id: row.id, name, logoUri } }
}

/** The person said yes: ends the session. Null when there is no such question for this session. */
export async function finishLogout(
  id: string,
  caller: Caller,
  facts: sessions.SessionFacts,
): Promise<Outcome | null> {
  const kept = await waiting(id, facts)
  if (!kept) return null
  await store.dropArtifact(MODEL, id)
  return end(kept, caller, facts)
}

/** Signs this browser out, asked for by nobody but the person. */
export const signOut = (caller: Caller, facts: sessions.SessionFacts): Promise<Outcome> =>
  end({ returnTo: null }, caller, facts)

async function end(
  { returnTo }: Pick<Kept, 'returnTo'>,
  caller: Caller,
  facts: sessions.SessionFacts,
): Promise<Outcome> {
  const frames = await framesOf(facts.sid)
  await sessions.revoke({ userId: facts.userId, sid: facts.sid }, { reason: 'signed_out', caller })
  const url = frames.length > 0 ? signedOutUrl(frames, returnTo) : signedOut(returnTo)
  return { url, setCookies: sessions.clearCookies() }
}
