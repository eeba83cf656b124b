/**
 * Signing keys: made once, sealed at rest, rotated by the clock and without a restart. Of each algorithm one key is
 * `next` (published, so that apps know it before it signs), one `active`, older ones `retired` (still published while
 * something they signed may be shown to us or an app) and at last `revoked`, which is no key any more: its private half
 * is gone. Whatever moves a key on holds the key lock, judges again what it finds there, and is one transaction. Times are
 * the database's, one clock for all processes; where it and ours are apart, nothing is moved on by the clock.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { record } from '../audit'
import { now } from '../base/clock'
import { env } from '../base/env'
import { CHANNELS } from '../base/keys'
import { log } from '../base/log'
import { publish } from '../base/redis'
import { ok, type Result, refuse } from '../base/refusals'
import { open, seal, sha256 } from '../base/secrets'
import { ExternalSigningKey } from './library'
import * as store from './store-registry'

/** In the order discovery names them; the first is the default of new clients. */
export const ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

const PURPOSE = 'signing_key'

/**
 * A key is published for so long before it signs by the clock. We say five minutes (documents.ts); libraries keep a set
 * for up to a day whatever we say, and not all of them look again when they meet a kid that they do not know.
 */
export const PUBLISHED_SECONDS = 86_400
/** The longest that an access token of any API lives: for so long it is remembered what was revoked. */
export const MAX_LIFETIME_SECONDS = 86_400
const newPair = promisify(generateKeyPair)

async function generate(algorithm: Algorithm): Promise<KeyObject> {
  if (algorithm === 'RS256') return (await newPair('rsa', { modulusLength: 2048 })).privateKey
  if (algorithm === 'ES256') return (await newPair('ec', { namedCurve: 'P-256' })).privateKey
  return (await newPair('ed25519')).privateKey
}

/** RFC 7638 thumbprint: the same key always has the same kid, two keys never. */
function thumbprint(jwk: Record<string, string>): string {
  const members =
    jwk.kty === 'RSA' ? ['e', 'kty', 'n'] : jwk.kty === 'EC' ? ['crv', 'kty', 'x', 'y'] : ['crv', 'kty', 'x']
  return sha256(JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]]))))
}

type NewKey = Omit<store.KeyRow, 'createdAt' | 'activeAt' | 'retiredAt'>

async function newKey(algorithm: Algorithm, status: 'active' | 'next'): Promise<NewKey> {
  const privateKey = await generate(algorithm)
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as Record<string, string>
  const kid = thumbprint(jwk)
  const secret = JSON.stringify(privateKey.export({ format: 'jwk' }))
  return {
    kid,
    algorithm,
    status,
    publicJwk: { ...jwk, kid, alg: algorithm, use: 'sig' },
    privateSealed: seal(PURPOSE, kid, secret),
  }
}

/**
 * A key as the library takes it, signing with node:crypto on this thread: an ES256 signature costs
 * 0.03 ms, less than handing it to another thread and back.
 */
export class SigningKey extends ExternalSigningKey {
  readonly #kid: string
  readonly #alg: Algorithm
  readonly #private: KeyObject
  readonly #public: KeyObject

  constructor(row: store.KeyRow) {
    super()
    this.#kid = row.kid
    this.#alg = row.algorithm as Algorithm
    const jwk = JSON.parse(open(PURPOSE, row.kid, row.privateSealed)) as Record<string, string>
    this.#private = createPrivateKey({ key: jwk, format: 'jwk' })
    this.#public = createPublicKey(this.#private)
  }

  override get kid(): string {
    return this.#kid
  }

  override set kid(_: string) {}

  override get alg(): string {
    return this.#alg
  }

  override set alg(_: string) {}

  override keyObject(): KeyObject {
    return this.#public
  }

  override sign(data: Uint8Array): Uint8Array {
    if (this.#alg === 'ES256') return sign('sha256', data, { key: this.#private, dsaEncoding: 'ieee-p1363' })
    return sign(this.#alg === 'RS256' ? 'sha256' : null, data, this.#private)
  }
}

const RANK: Record<store.KeyStatus, number> = { active: 0, next: 1, retired: 2, revoked: 3 }

export interface KeySet {
  /** Active ones first: the library signs with the first that fits. */
  signing: SigningKey[]
  /** The published set (RFC 7517). */
  jwks: { keys: Record<string, string>[] }
  /** Changes when the set does. */
  version: string
}

/** Makes what is missing (first start, a new algorithm) and gives the set of now. */
export async function load(): Promise<KeySet> {
  let rows = await store.readKeys()
  if (missing(rows).length > 0) {
    // Generated before the lock is taken: an RSA key takes a while.
    const fresh = await Promise.all(missing(rows).map(({ algorithm, status }) => newKey(algorithm, status)))
    rows = await store.inKeyTurn(async (tx, current, at) => {
      const wanted = missing(current)
      for (const key of fresh) {
        if (!wanted.some((w) => w.algorithm === key.algorithm && w.status === key.status)) continue
        await store.insertKey(tx, key, at)
        await record(tx, {
          type: 'key.added',
          actor: 'system',
          data: { kid: key.kid, algorithm: key.algorithm },
        })
        current.push({
          ...key,
          createdAt: at,
          activeAt: key.status === 'active' ? at : null,
          retiredAt: null,
        })
      }
      return current
    })
    await announce()
  }
  const live = rows
    .filter((row) => row.status !== 'revoked')
    .sort((a, b) => RANK[a.status] - RANK[b.status] || order(a) - order(b))
  return {
    signing: live.map((row) => new SigningKey(row)),
    jwks: { keys: live.map((row) => row.publicJwk) },
    version: sha256(live.map((row) => `${row.kid}:${row.status}`).join(' ')),
  }
}

let published = new Set<string>()

/** Told by handle.ts whenever the set changes. */
export const setPublished = (kids: string[]): void => {
  published = new Set(kids)
}

/** Whether what a key signed is still worth something. */
export const isPublished = (kid: string): boolean => published.has(kid)

const order = (row: store.KeyRow): number => ALGORITHMS.indexOf(row.algorithm as Algorithm)

function missing(rows: store.KeyRow[]): { algorithm: Algorithm; status: 'active' | 'next' }[] {
  return ALGORITHMS.flatMap((algorithm) =>
    (['active', 'next'] as const)
      .filter((status) => !rows.some((row) => row.algorithm === algorithm && row.status === status))
      .map((status) => ({ algorithm, status })),
  )
}

const announce = (): Promise<void> => publish(CHANNELS.cacheDrop, { kind: 'signing-keys', id: 'all' })

// ── who signs when ───────────────────────────────────────────────────────────

const after = (at: Date, seconds: number): Date => new Date(at.getTime() + seconds * 1000)

/** How long after a key has signed for the last time something it signed may be shown: an ID token is a hint at sign-out for as long as its session may last. An hour is for clocks and caches. */
function retireSeconds(): number {
  const { idTokenSeconds, accessTokenSeconds, sessionMaxSeconds } = env()
  return Math.max(idTokenSeconds, accessTokenSeconds, sessionMaxSeconds, MAX_LIFETIME_SECONDS) + 3600
}

type Rows = readonly store.KeyRow[]

const find = (rows: Rows, algorithm: string, status: store.KeyStatus): store.KeyRow | undefined =>
  rows.find((row) => row.algorithm === algorithm && row.status === status)

/** From when on the next key of an algorithm is known to whoever keeps the set for a day. */
const ripeAt = (next: store.KeyRow): Date => after(next.createdAt, PUBLISHED_SECONDS)

/** When the key that signs with an algorithm is due to give way; null: by hand alone. */
function dueAt(rows: Rows, algorithm: string): Date | null {
  const { keyRotationSeconds } = env()
  const [active, next] = [find(rows, algorithm, 'active'), find(rows, algorithm, 'next')]
  if (keyRotationSeconds === 0 || !active || !next) return null
  const old = after(active.activeAt ?? active.createdAt, keyRotationSeconds)
  return old > ripeAt(next) ? old : ripeAt(next)
}

const isDue = (rows: Rows, algorithm: string, at: Date): boolean => {
  const due = dueAt(rows, algorithm)
  return due !== null && due <= at
}

/** Nothing is rotated or retired by a clock that is further from the database's than this; doctor's word for a wrong one. */
export const CLOCK_BOUND_SECONDS = 60

/**
 * What is wrong with this machine's clock, in words; null: nothing. One that runs ahead would retire keys whose tokens
 * are still shown, and leave times behind that silence rotation until they come.
 */
function clockApart(at: Date): string | null {
  const seconds = Math.round((now().getTime() - at.getTime()) / 1000)
  if (Math.abs(seconds) <= CLOCK_BOUND_SECONDS) return null
  return `the clock of this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the database's`
}

export interface KeyView {
  kid: string
  algorithm: string
  status: store.KeyStatus
  createdAt: Date
  activeAt: Date | null
  retiredAt: Date | null
  /** Of one that signs: when the next one takes over by itself; null: by hand alone. */
  rotatesAt: Date | null
  /** Of one that signed: until when apps find it. */
  publishedUntil: Date | null
}

const view =
  (rows: Rows) =>
  ({ kid, algorithm, status, createdAt, activeAt, retiredAt }: store.KeyRow): KeyView => ({
    kid,
    algorithm,
    status,
    createdAt,
    activeAt,
    retiredAt,
    rotatesAt: status === 'active' ? dueAt(rows, algorithm) : null,
    publishedUntil: status === 'retired' && retiredAt ? after(retiredAt, retireSeconds()) : null,
  })

/** All signing keys, oldest first, without their private halves. */
export async function list(): Promise<KeyView[]> {
  const rows = await store.readKeys()
  return rows.map(view(rows))
}

/** The published key begins to sign, the one that signed is retired (or, compromised, revoked), a new one is published. */
async function turn(
  tx: store.KeyTx,
  rows: Rows,
  fresh: NewKey,
  { compromised = false, actor, at }: { compromised?: boolean; actor: string; at: Date },
): Promise<void> {
  const { algorithm } = fresh
  const [active, next] = [find(rows, algorithm, 'active'), find(rows, algorithm, 'next')]
  if (!active || !next) throw new Error(`no ${algorithm} key to rotate`)
  await store.setKeyStatus(tx, active.kid, compromised ? 'revoked' : 'retired', at)
  await store.setKeyStatus(tx, next.kid, 'active', at)
  await store.insertKey(tx, fresh, at)
  await record(tx, {
    type: compromised ? 'key.revoked' : 'key.rotated',
    actor,
    data: { kid: active.kid, successor: next.kid, algorithm },
  })
}

/** Every key of an algorithm that was ever loaded beside the one that leaked is taken for leaked too. */
async function replaceAll(
  tx: store.KeyTx,
  rows: Rows,
  algorithm: Algorithm,
  pair: { active: NewKey; next: NewKey },
  { actor, at }: { actor: string; at: Date },
): Promise<void> {
  const successor = pair.active.kid
  for (const { kid, status, algorithm: of } of rows) {
    if (of !== algorithm || status === 'revoked') continue
    await store.setKeyStatus(tx, kid, 'revoked', at)
    await record(tx, { type: 'key.revoked', actor, data: { kid, successor, algorithm, was: status } })
  }
  await store.insertKey(tx, pair.active, at)
  await store.insertKey(tx, pair.next, at)
}

export interface RotateInput {
  /** Only this one; default all. */
  algorithm?: string
  /** The key that signs is compromised: it is unpublished at once, and what it signed is refused. */
  emergency?: boolean
  /** In an emergency: so are the next one and the older ones. */
  all?: boolean
  /** The next key may sign although not every app can know it yet. */
  early?: boolean
  actor?: string
}

/**
 * Rotates by hand: the published `next` key begins to sign, the active one is retired, a new `next` is published. Other
 * processes notice by a message, and look again every minute.
 * @returns the keys after it; refusal `invalid_input` with `values.message` for an unknown algorithm, where the next
 *   key was published less than a day ago (of two at once, one rotates), and where the clocks are apart and it is no emergency
 */
export async function rotate(input: RotateInput = {}): Promise<Result<KeyView[]>> {
  const algorithms = ALGORITHMS.filter((name) => !input.algorithm || name === input.algorithm)
  if (algorithms.length === 0) return no(`known algorithms: ${ALGORITHMS.join(', ')}`)
  const { emergency: compromised = false, all = false, early = false, actor = 'operator' } = input
  if (all && !compromised) return no('all keys are replaced in an emergency alone')
  await load()
  const fresh = await Promise.all(algorithms.map((algorithm) => newKey(algorithm, 'next')))
  const signing = all ? await Promise.all(algorithms.map((algorithm) => newKey(algorithm, 'active'))) : []
  const done = await store.inKeyTurn(async (tx, rows, at): Promise<Result> => {
    const apart = clockApart(at)
    if (apart && !compromised) return no(`${apart}: mend it first (gatehouse doctor)`)
    const green = algorithms
      .map((algorithm) => find(rows, algorithm, 'next'))
      .find((next) => next && ripeAt(next) > at)
    if (green && !compromised && !early)
      return no(
        `apps may not know the next ${green.algorithm} key before ${ripeAt(green).toISOString()}: it is published since ${green.createdAt.toISOString()} (gatehouse key rotate --now does it all the same)`,
      )
    for (const [i, key] of fresh.entries()) {
      const active = signing[i]
      if (active) await replaceAll(tx, rows, algorithms[i] ?? 'ES256', { active, next: key }, { actor, at })
      else await turn(tx, rows, key, { compromised, actor, at })
    }
    return ok()
  })
  if (!done.ok) return done
  await announce()
  return ok(await list())
}

const no = (message: string) => refuse('invalid_input', { field: 'algorithm', values: { message } })

/**
 * Rotates what is due, each algorithm for itself (KEY_ROTATION_DAYS). Run by every process; of those that come at once
 * the first rotates, and the others find under the lock that nothing is due any more. One that dies on the way has
 * changed nothing: the next one does it. One whose clock is apart from the database's says so and leaves it to the others.
 */
export async function rotateDue(): Promise<void> {
  const rows = await store.readKeys()
  const wanted = ALGORITHMS.filter((algorithm) => isDue(rows, algorithm, now()))
  if (wanted.length === 0) return
  const fresh = await Promise.all(wanted.map((algorithm) => newKey(algorithm, 'next')))
  const turned = await store.inKeyTurn(async (tx, current, at) => {
    if (left('rotated', at)) return []
    const due = fresh.filter(({ algorithm }) => isDue(current, algorithm, at))
    for (const key of due) await turn(tx, current, key, { actor: 'system', at })
    return due.map(({ algorithm }) => algorithm)
  })
  if (turned.length === 0) return
  log().info({ algorithms: turned }, 'signing keys rotated: they were due')
  await announce()
}

/** Whether the clocks are too far apart to move keys on, which the log then says. */
function left(what: string, at: Date): boolean {
  const apart = clockApart(at)
  if (apart) log().warn(`signing keys not ${what}: ${apart}`)
  return apart !== null
}

/** Unpublishes retired keys once nothing they signed is needed. */
export async function sweep(): Promise<void> {
  const old = (at: Date) => (row: store.KeyRow) =>
    row.status === 'retired' && row.retiredAt !== null && after(row.retiredAt, retireSeconds()) < at
  if (!(await store.readKeys()).some(old(now()))) return
  const gone = await store.inKeyTurn(async (tx, current, at) => {
    if (left('unpublished', at)) return false
    for (const { kid, algorithm } of current.filter(old(at))) {
      await store.setKeyStatus(tx, kid, 'revoked', at)
      await record(tx, { type: 'key.unpublished', actor: 'system', data: { kid, algorithm } })
      log().info({ kid }, 'signing key unpublished')
    }
    return true
  })
  if (gone) await announce()
}

/**
 * After the database's own clock ran ahead: times of keys that lie in the future become now, which is later than they
 * were in truth, so no key signs too early or goes too soon.
 * @returns the kids that were mended; refusal `invalid_input` with `values.message` where the clocks are apart: it is not
 *   known which of them is right
 */
export async function redate(actor = 'operator'): Promise<Result<string[]>> {
  const done = await store.inKeyTurn(async (tx, _, at): Promise<Result<string[]>> => {
    const apart = clockApart(at)
    if (apart) return no(`${apart}: mend it first (gatehouse doctor)`)
    const kids = await store.redateKeys(tx, at)
    for (const kid of kids) await record(tx, { type: 'key.redated', actor, data: { kid } })
    return ok(kids)
  })
  if (done.ok && done.value.length > 0) await announce()
  return done
}
