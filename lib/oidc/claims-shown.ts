/**
 * What an ID token and userinfo show of a person: standard claims by scope and by name, and those that the operator
 * maps for the app. The same for real answers and for the preview, which issues nothing.
 */
import { record } from '../audit'
import * as users from '../users'
import { claimsOf, mappedClaims } from './claims'
import type { Provider } from './library'
import { CLAIMS, SCOPE_OF_CLAIM } from './scopes'
import { type ClientRow, findClient } from './store-registry'
import { load as loadSalt, subjectFor } from './subjects'

type Claims = Record<string, unknown>

/** Mapped claims travel beside the others: the library knows each claim by its scope, and these by none. */
const MAPPED = Symbol('mapped')

interface Asked {
  /** `id_token` or `userinfo`. */
  use: string
  /** Scopes that were granted, with blanks. */
  scope: string
  /** Single claims asked for by name. */
  requested: object
  guest: boolean
}

/** All that such an answer may show of a user, from which the library picks by scope. @throws StoresDown */
export async function accountClaims(
  row: ClientRow | null,
  userId: string,
  asked: Asked,
): Promise<Claims & { sub: string }> {
  const granted = new Set(asked.scope.split(' '))
  const into = asked.use === 'id_token' ? 'id_token' : 'userinfo'
  const [own, mapped] = await Promise.all([
    standardClaims(row, userId, asked),
    row?.settings.claims ? mappedClaims(row, userId, into, granted) : null,
  ])
  return {
    ...own,
    ...(asked.guest && { is_anonymous: true }),
    sub: userId,
    ...(mapped && { [MAPPED]: mapped }),
  }
}

async function standardClaims(row: ClientRow | null, userId: string, asked: Asked): Promise<Claims> {
  const { use, scope, requested } = asked
  const single = Object.keys(requested).filter((claim) => SCOPE_OF_CLAIM.has(claim))
  const byScope = use !== 'id_token' || row?.settings.claimsInIdToken === true
  const scopes = new Set<string>(single.map((claim) => SCOPE_OF_CLAIM.get(claim) ?? ''))
  if (byScope) for (const name of scope.split(' ')) scopes.add(name)
  scopes.delete('openid')
  scopes.delete('offline_access')
  if (scopes.size === 0) return {}
  const found = await claimsOf(userId, scopes)
  // Core section 5.4: by default an ID token has only what was asked for by name.
  if (byScope) return found
  return Object.fromEntries(single.filter((claim) => claim in found).map((claim) => [claim, found[claim]]))
}

/** The library's Claims, which shows the mapped ones too. Their names are none that the library or the portal uses. */
export function claimsModel(provider: Provider): unknown {
  const Base = (provider as unknown as { Claims: new (available: object, options: object) => LibraryClaims })
    .Claims
  return class Claims extends Base {
    override async result(): Promise<object> {
      const mapped = (this.available as { [MAPPED]?: object })[MAPPED]
      const shown = await super.result()
      return mapped ? { ...mapped, ...shown } : shown
    }
  }
}

interface LibraryClaims {
  available: object
  result(): Promise<object>
}

// ── the preview ──────────────────────────────────────────────────────────────

export interface ClaimsPreview {
  clientId: string
  userId: string
  /** By scope, each with what it adds to `openid`, which comes first. */
  scopes: { scope: string; idToken: Claims; userinfo: Claims }[]
}

/** What of all that is there an answer with these scopes shows. */
export async function shown(
  row: ClientRow,
  userId: string,
  use: 'id_token' | 'userinfo',
  scopes: string[],
  guest = false,
): Promise<Claims> {
  const asked = { use, scope: scopes.join(' '), requested: {}, guest }
  const found = (await accountClaims(row, userId, asked)) as Claims & { [MAPPED]?: Claims }
  const all: typeof found = { ...found, sub: subjectFor(row, userId) }
  const names = scopes.flatMap((scope) => CLAIMS[scope as keyof typeof CLAIMS] ?? [])
  return {
    ...Object.fromEntries(names.filter((name) => name in all).map((name) => [name, all[name]])),
    ...all[MAPPED],
  }
}

const added = (claims: Claims, before: Claims): Claims =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => !(name in before)))

/**
 * What an app would get of a user, scope by scope. Nothing is issued or granted, and whether the user would let it is
 * not asked. `auth_time`, `acr`, `amr` and `sid` are of a session, and there is none. Their history says who looked,
 * before anything is shown (LOG2).
 * @returns null when there is no such app or user
 * @throws StoresDown
 */
export async function previewClaims(
  clientId: string,
  userId: string,
  by: { actor: string },
): Promise<ClaimsPreview | null> {
  const [row, user] = await Promise.all([findClient(clientId), users.get(userId), loadSalt()])
  if (!row || !user) return null
  await record(null, { type: 'claims.previewed', outcome: 'info', userId, clientId, actor: by.actor })
  const of = async (use: 'id_token' | 'userinfo', ...more: string[]) =>
    shown(row, userId, use, ['openid', ...more])
  const idToken = await of('id_token')
  const userinfo = await of('userinfo')
  const guest = user.isAnonymous ? { is_anonymous: true } : {}
  const scopes = [{ scope: 'openid', idToken: { ...idToken, ...guest }, userinfo: { ...userinfo, ...guest } }]
  for (const scope of ['profile', 'email', 'phone', 'roles']) {
    scopes.push({
      scope,
      idToken: added(await of('id_token', scope), idToken),
      userinfo: added(await of('userinfo', scope), userinfo),
    })
  }
  // Some need more than one.
  const all = ['profile', 'email', 'phone', 'roles']
  const seen = (use: 'idToken' | 'userinfo') => Object.assign({}, ...scopes.map((one) => one[use])) as Claims
  const together = {
    scope: all.join(' '),
    idToken: added(await of('id_token', ...all), seen('idToken')),
    userinfo: added(await of('userinfo', ...all), seen('userinfo')),
  }
  if (Object.keys(together.idToken).length + Object.keys(together.userinfo).length > 0) scopes.push(together)
  return { clientId, userId, scopes }
}
