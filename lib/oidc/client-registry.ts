/** Relying apps are registered, changed, switched off and removed here; a secret is shown once. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { onCommit } from '../base/db'
import { randomToken } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { isCertificateMethod } from './certificate-names'
import { certificatesProblem } from './certificates'
import { readMapping } from './claims-mapping'
import { forget as forgetLog } from './client-log'
import {
  type CheckedClient,
  type NewClient,
  newClientSchema,
  patchOf,
  reachSetting,
  registered,
  toMetadata,
} from './client-metadata'
import { type ClientView, versionOf, view } from './client-view'
import { active, announce, hasSecret, newSecret, usable } from './clients'
import { type Denied, denial, type Hand, managementId, outOfReach, removalDenial } from './management'
import { inTx } from './store'
import * as store from './store-registry'
import { findResource } from './store-resources'
import { sectorOf } from './subjects'

interface By {
  actor?: string
  caller?: Caller
  /** Who asks, which decides what may be given to apps; left out: an administrator. */
  hand?: Hand
}

const handOf = ({ hand = 'administrator' }: By): Hand => hand

const asRefusal = ({ rights, field, message }: Denied) =>
  refuse(rights ? 'rights_missing' : 'invalid_input', { field, values: { message } })

/** How an app came here that registered itself, and the secret that it was told. */
export interface SelfRegistered {
  registered: 'token' | 'open'
  secret?: string
}

/** What is said of an app, as it would be kept. @returns refusals as those of `add` */
export function judge(input: NewClient): Result<CheckedClient> {
  const parsed = newClientSchema.safeParse(input)
  const off = parsed.success && certificatesProblem(parsed.data)
  if (off)
    return refuse('invalid_input', { field: off.field, values: { message: `${off.field}: ${off.message}` } })
  if (parsed.success) return ok(parsed.data)
  const issue = parsed.error.issues[0]
  const field = String(issue?.path[0] ?? 'client')
  const code = field.endsWith('edirectUris') ? 'redirect_uri_invalid' : 'invalid_input'
  return refuse(code, { field, values: { message: `${field}: ${issue?.message ?? 'cannot be used'}` } })
}

/**
 * Registers an app.
 * @returns its id and, for one that proves itself by a secret, the secret: it is not shown again.
 *   Refusals: `redirect_uri_invalid` or `invalid_input` with `field` and `values.message` (a sentence
 *   that says what to mend), `already_exists` for a taken clientId.
 */
export async function add(
  input: NewClient,
  by: By = {},
  self?: SelfRegistered,
): Promise<Result<{ clientId: string; clientSecret?: string }>> {
  const judged = judge(input)
  if (!judged.ok) return judged
  const client = judged.value
  const no = denial(null, client, handOf(by))
  if (no) return asRefusal(no)
  const unknown = await unknownApi(client)
  if (unknown) return unknown
  const clientId = client.clientId ?? randomToken(12).replace(/^[-_]/, 'c')
  const secret = hasSecret(client.authMethod) ? newSecret(self?.secret) : null
  const made = await inTx(async (tx) => {
    const row = {
      id: clientId,
      name: client.name,
      firstParty: client.firstParty,
      requirePkce: client.pkce,
      ...toMetadata(client),
    }
    if (self) row.settings.registered = self.registered
    if (!(await store.insertClient(tx, row))) return false
    if (secret)
      await store.insertSecret(tx, clientId, { hash: secret.hash, hint: secret.hint, expiresAt: null })
    await record(tx, {
      type: 'client.added',
      clientId,
      actor: by.actor ?? 'operator',
      caller: by.caller,
      data: { name: client.name, firstParty: client.firstParty },
    })
    onCommit(tx, () => announce(clientId))
    return true
  })
  if (!made) return refuse('already_exists', { field: 'clientId' })
  return ok(secret ? { clientId, clientSecret: secret.plain } : { clientId })
}

/**
 * Makes an app of what its document says, or brings it up to date.
 * @param until till when it is believed, milliseconds
 * @returns the row; null when an operator switched it off; refusals as those of `add`
 */
export async function keepDocumented(
  id: string,
  input: NewClient,
  until: number,
  by: By,
): Promise<Result<store.ClientRow | null>> {
  const judged = judge(input)
  if (!judged.ok) return judged
  const { name } = judged.value
  const kept = await inTx(async (tx) => {
    const made = toMetadata(judged.value)
    const settings = { ...made.settings, registered: 'document' as const, documentUntil: until }
    const row = { id, name, firstParty: false, requirePkce: true, metadata: made.metadata, settings }
    const outcome = await store.keepDocumented(tx, row)
    if (outcome === 'made') {
      const data = { name, firstParty: false }
      await record(tx, {
        type: 'client.added',
        clientId: id,
        actor: by.actor ?? 'registration',
        caller: by.caller,
        data,
      })
    }
    onCommit(tx, () => announce(id))
    return outcome
  })
  return ok(kept ? await active(id) : null)
}

/** One app as operators see it, switched off or not; null when there is none. */
export async function get(clientId: string): Promise<ClientView | null> {
  const row = await store.findClient(clientId)
  return row ? view(row) : null
}

/** Apps by id; page on with `after` = the last one's clientId. At most 200. */
export async function list(options: { after?: string; limit?: number } = {}): Promise<ClientView[]> {
  const limit = Math.max(1, Math.min(options.limit ?? 100, 200))
  return (await store.listClients(options.after ?? null, limit)).map(view)
}

/**
 * Apps by name and id, newest first, for people who look for one.
 * @param options.text in the name or the id, letter case aside
 * @param options.after the place in the list to go on from, as an earlier answer said it
 * @returns at most `limit` (100) apps, and where the next begin; null: nowhere
 */
export async function search(
  options: { text?: string; after?: store.ClientPlace | null; limit?: number } = {},
): Promise<{ clients: ClientView[]; next: store.ClientPlace | null }> {
  const limit = Math.max(1, Math.min(options.limit ?? 25, 100))
  const text = options.text?.trim().slice(0, 100) ?? ''
  const rows = await store.searchClients(text, options.after ?? null, limit + 1)
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    clients: shown.map(view),
    next: last && rows.length > limit ? { at: last.createdAt.getTime(), id: last.id } : null,
  }
}

/** Removes an app with its consents and tokens. @returns refusals `not_found`, `rights_missing` */
export const remove = (clientId: string, by: By = {}): Promise<Result> =>
  change(clientId, 'client.removed', by, async (tx) => {
    onCommit(tx, () => forgetLog(clientId))
    return await store.deleteClient(tx, clientId)
  })

/** Switches an app off: every flow and token of it is refused from the next request on. */
export const disable = (clientId: string, by: By = {}): Promise<Result> =>
  change(clientId, 'client.updated', by, (tx) => store.setDisabled(tx, clientId, new Date(nowMs())), {
    disabled: true,
  })

/** Switches an app on again. */
export const enable = (clientId: string, by: By = {}): Promise<Result> =>
  change(clientId, 'client.updated', by, (tx) => store.setDisabled(tx, clientId, null), { disabled: false })

/** The refusal for the first of these that is no registered API. */
async function unknownApi({
  resources = [],
  serves = [],
}: Pick<ClientChanges, 'resources' | 'serves'>): Promise<ReturnType<typeof refuse> | null> {
  const named = [
    ...resources.map(({ resource }) => ['resources', resource] as const),
    ...serves.map((id) => ['serves', id] as const),
  ]
  for (const [field, id] of named) {
    if (id === managementId() || (await findResource(id))) continue
    const message = `${field}: there is no API ${id} (gatehouse resource add)`
    return refuse('invalid_input', { field, values: { message } })
  }
  return null
}

/**
 * What an operator may change of an app: all that it is registered with, but for its id. Undefined leaves a thing as it
 * is, null takes away one that may be missing.
 */
export type ClientChanges = {
  [Name in Exclude<keyof NewClient, 'clientId' | 'pairwise'>]?: NewClient[Name] | OptionalNull<Name>
}
/** These an app may be without; the others have a value always. */
type Missing =
  | `${'backchannel' | 'frontchannel'}LogoutUri`
  | `session${'Idle' | 'Max'}Minutes`
  | `${'logo' | 'client' | 'policy' | 'tos' | 'support' | 'jwks'}Uri`
  | `${'idToken' | 'userinfo'}Encryption`
  | 'brandColor'
  | `welcome${'En' | 'De'}`
  | 'jwks'
  | 'certificateSubject'
type OptionalNull<Name> = Name extends Missing ? null : never

/**
 * Changes what an app is registered with, from the next request on. The whole is judged as a new registration would be,
 * under a lock: of two changes at once neither undoes the other. An app that has no secret any more loses those it had;
 * one that is to have one gets it by `rotateSecret`.
 * @returns the app as it is now; refusals as `add` gives them, `not_found`, `version_changed`, and `rights_missing` where
 *   whoever asks may not change this app, or not so
 */
export async function update(
  clientId: string,
  changes: ClientChanges,
  by: By & {
    /** Only while the app is as one of these says (`version` of a view). */
    versions?: readonly string[]
  } = {},
): Promise<Result<ClientView>> {
  const said = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  const unknown = await unknownApi(changes)
  return inTx(async (tx) => {
    const row = await store.lockClient(tx, clientId)
    if (!row) return refuse('not_found')
    const away = outOfReach(row, handOf(by))
    if (away) return asRefusal(away)
    if (by.versions && !by.versions.includes(versionOf(row))) return refuse('version_changed')
    if (unknown) return unknown
    const itself = Object.keys(said).find((name) => !canChange(row.settings, name))
    if (itself) {
      const message = `${itself}: its document says what this app is; what can be set of it is ${store.PINNED.join(', ')}, and it can be switched off, or registered under a name of yours`
      return refuse('invalid_input', { field: itself, values: { message } })
    }
    const judged = judge(changed(row, said))
    if (!judged.ok) return judged
    const client = judged.value
    const no = denial(registered(row), client, handOf(by))
    if (no) return asRefusal(no)
    const before = toMetadata(registered(row))
    const after = toMetadata(client)
    // People would be strangers to it from then on.
    if (sectorOf({ id: clientId, ...before }) !== sectorOf({ id: clientId, ...after })) {
      const message =
        'redirectUris: an app with pairwise subjects knows people by names that hang on its host, which has to stay'
      return refuse('invalid_input', { field: 'redirectUris', values: { message } })
    }
    // Two factors asked for, and rules of entry, keep guests away by themselves; whether they may come else stays registered.
    if (said.guests === undefined && row.settings.guests) after.settings.guests = true
    await store.rewriteClient(tx, clientId, {
      name: client.name,
      firstParty: client.firstParty,
      requirePkce: client.pkce,
      metadata: patchOf(before.metadata, after.metadata),
      settings: patchOf(before.settings, after.settings),
    })
    if (!hasSecret(client.authMethod)) await store.endSecrets(tx, clientId, new Date(nowMs()))
    const data = {
      ...said,
      ...(changes.resources && { resources: reachSetting(changes.resources) }),
      // By their names, as `setClaims` has it: what they hold may be long.
      ...(changes.claims && { claims: client.claims.map(({ name }) => name) }),
    }
    await record(tx, {
      type: 'client.updated',
      clientId,
      actor: by.actor ?? 'operator',
      caller: by.caller,
      data,
    })
    onCommit(tx, () => announce(clientId))
    const now = await store.lockClient(tx, clientId)
    if (!now) throw new Error('a locked client is gone')
    return ok(view(now))
  })
}

/** Whether this can be changed of an app: of one that a document describes, what holds it back alone. */
export const canChange = (
  app: Pick<ClientView, 'registered'> | store.ClientSettings,
  name: string,
): boolean => app.registered !== 'document' || store.PINNED.some((one) => one === name)

/** An app as it is to be: as it is, and what was said of it. */
function changed(row: store.ClientRow, said: object): NewClient {
  const whole: NewClient = { ...registered(row), ...said }
  const kept = whole.acr === 'aal2' || whole.entryRoles?.length || whole.entryDomains?.length
  if (kept && !('guests' in said)) whole.guests = false
  // Keys and their address take each other's place.
  if ('jwksUri' in said && !('jwks' in said)) whole.jwks = undefined
  if ('jwks' in said && !('jwksUri' in said)) whole.jwksUri = undefined
  // Whom a certificate is for is of one way to prove itself.
  if ('authMethod' in said && whole.authMethod !== 'tls_client_auth' && !('certificateSubject' in said))
    whole.certificateSubject = undefined
  // What is null is left out, which is how a registration says that there is none.
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== null)) as NewClient
}

/**
 * Gives an app claims of the operator's own, in the place of those it had; an empty list takes them away. From the next
 * token and userinfo on.
 * @returns refusal `not_found`, or `invalid_input` with `values.message` (what to mend)
 */
export async function setClaims(clientId: string, input: unknown, by: By = {}): Promise<Result> {
  const read = readMapping(input)
  if (!read.ok) return refuse('invalid_input', { field: 'claims', values: { message: read.message } })
  const claims = read.claims.length > 0 ? read.claims : null
  const said = { claims: read.claims.map(({ name }) => name) }
  return change(clientId, 'client.updated', by, (tx) => store.changeClient(tx, clientId, { claims }), said)
}

/**
 * Adds a secret beside those there are, which end after `overlapSeconds` (default: a day).
 * @returns the new secret, shown once; refusal `not_found`, or `invalid_input` for an app without secrets and one that has
 *   as many good ones as may be
 */
export async function rotateSecret(
  clientId: string,
  options: By & { overlapSeconds?: number } = {},
): Promise<Result<{ clientSecret: string; secretId: string }>> {
  const row = await store.findClient(clientId)
  if (!row) return refuse('not_found')
  const method = row.metadata.token_endpoint_auth_method
  if (!hasSecret(method)) {
    const by = method === 'none' ? 'PKCE' : isCertificateMethod(method) ? 'its certificate' : 'its key'
    return refuse('invalid_input', {
      field: 'clientId',
      values: { message: `this app has no secret: it proves itself by ${by}` },
    })
  }
  const secret = newSecret()
  let secretId = ''
  const { overlapSeconds = 86_400 } = options
  let tooMany = false
  const changed = await change(clientId, 'client.secret_added', options, async (tx, { secrets }) => {
    // Whoever makes one each day with a long overlap would else make the row that every request reads grow for ever.
    tooMany = overlapSeconds > 0 && secrets.filter(usable).length >= MAX_SECRETS
    if (tooMany) return false
    await store.endSecrets(tx, clientId, new Date(nowMs() + overlapSeconds * 1000))
    await store.deleteEndedSecrets(tx, clientId)
    const { hash, hint } = secret
    secretId = await store.insertSecret(tx, clientId, { hash, hint, expiresAt: null })
    return { secretId, overlapSeconds }
  })
  if (tooMany) {
    const message = `${MAX_SECRETS} secrets are good already: take some away first`
    return refuse('invalid_input', { field: 'secret', values: { message } })
  }
  return changed.ok ? ok({ clientSecret: secret.plain, secretId }) : changed
}

const MAX_SECRETS = 10

/**
 * Takes one secret of an app away, at once.
 * @param name its id, or its last four characters where no other of the app ends so
 * @returns refusal `not_found`, or `invalid_input` for the last one that is good: the app could do nothing any more
 */
export async function removeSecret(clientId: string, name: string, by: By = {}): Promise<Result> {
  const message =
    'it is the only secret that is good: give the app another one first (overlap 0 ends this one)'
  let isLast = false
  const changed = await change(clientId, 'client.secret_removed', by, async (tx, { secrets }) => {
    const named = secrets.filter(({ id, hint }) => id === name || hint === name)
    const [gone] = named
    if (!gone || named.length > 1) return false
    isLast = hasSecretLeft(secrets) && !hasSecretLeft(secrets.filter((one) => one !== gone))
    return !isLast && (await store.deleteSecret(tx, clientId, gone.id)) && { secretId: gone.id }
  })
  return isLast ? refuse('invalid_input', { field: 'secret', values: { message } }) : changed
}

const hasSecretLeft = (secrets: store.SecretRow[]): boolean => secrets.some(usable)

type Tx = Parameters<Parameters<typeof inTx>[0]>[0]

/**
 * What is done to an app that is there, under its lock, and by somebody who may.
 * @param fn false: nothing was done; else the event says `data` and what it gives
 */
async function change(
  clientId: string,
  type: 'client.removed' | 'client.updated' | 'client.secret_added' | 'client.secret_removed',
  by: By,
  fn: (tx: Tx, row: store.ClientRow) => Promise<boolean | Record<string, unknown>>,
  data?: Record<string, unknown>,
): Promise<Result> {
  return inTx(async (tx) => {
    const row = await store.lockClient(tx, clientId)
    if (!row) return refuse('not_found')
    const hand = handOf(by)
    const goes = type === 'client.removed'
    const away = outOfReach(row, hand) ?? (goes ? removalDenial(registered(row), hand) : null)
    if (away) return asRefusal(away)
    const done = await fn(tx, row)
    if (!done) return refuse('not_found')
    const said = done === true ? data : { ...data, ...done }
    await record(tx, { type, clientId, actor: by.actor ?? 'operator', caller: by.caller, data: said })
    onCommit(tx, () => announce(clientId))
    return ok()
  })
}
