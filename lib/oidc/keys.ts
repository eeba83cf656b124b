/**
 * Signing keys: made once, sealed at rest, rotated without a restart. Of each algorithm one key is
 * `next` (published, so that apps know it before it signs), one `active`, older ones `retired` (still
 * published while something they signed may be shown to us or an app) and at last `revoked`.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { record } from '../audit'
import { now, nowMs } from '../base/clock'
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

async function newKey(
  algorithm: Algorithm,
  status: 'active' | 'next',
): Promise<Omit<store.KeyRow, 'retiredAt'>> {
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
    createdAt: now(),
    activeAt: status === 'active' ? now() : null,
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
    rows = await store.inKeyTurn(async (tx, current) => {
      const wanted = missing(current)
      for (const key of fresh) {
        if (!wanted.some((w) => w.algorithm === key.algorithm && w.status === key.status)) continue
        await store.insertKey(tx, key)
        await record(tx, {
          type: 'key.added',
          actor: 'system',
          data: { kid: key.kid, algorithm: key.algorithm },
        })
        current.push({ ...key, retiredAt: null })
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

const order = (row: store.KeyRow): number => ALGORITHMS.indexOf(row.algorithm as Algorithm)

function missing(rows: store.KeyRow[]): { algorithm: Algorithm; status: 'active' | 'next' }[] {
  return ALGORITHMS.flatMap((algorithm) =>
    (['active', 'next'] as const)
      .filter((status) => !rows.some((row) => row.algorithm === algorithm && row.status === status))
      .map((status) => ({ algorithm, status })),
  )
}

const announce = (): Promise<void> => publish(CHANNELS.cacheDrop, { kind: 'signing-keys', id: 'all' })

export interface KeyView {
  kid: string
  algorithm: string
  status: store.KeyStatus
  createdAt: Date
  activeAt: Date | null
  retiredAt: Date | null
}

const view = ({ kid, algorithm, status, createdAt, activeAt, retiredAt }: store.KeyRow): KeyView => ({
  kid,
  algorithm,
  status,
  createdAt,
  activeAt,
  retiredAt,
})

/** All signing keys, oldest first, without their private halves. */
export async function list(): Promise<KeyView[]> {
  return (await store.readKeys()).map(view)
}

/**
 * Rotates: the published `next` key begins to sign, the active one is retired, a new `next` is published.
 * Running processes notice by a message, and look again every minute.
 * @param input.algorithm only this one; default all
 * @param input.emergency the active key is compromised: it is unpublished at once, what it signed dies
 * @returns the keys after it; refusal `invalid_input` for an unknown algorithm
 */
export async function rotate(
  input: { algorithm?: string; emergency?: boolean; actor?: string } = {},
): Promise<Result<KeyView[]>> {
  const algorithms = ALGORITHMS.filter((name) => !input.algorithm || name === input.algorithm)
  if (algorithms.length === 0) {
    return refuse('invalid_input', { field: 'algorithm', values: { known: ALGORITHMS.join(', ') } })
  }
  await load()
  const fresh = await Promise.all(algorithms.map((algorithm) => newKey(algorithm, 'next')))
  await store.inKeyTurn(async (tx, current) => {
    for (const key of fresh) {
      const of = (status: store.KeyStatus) =>
        current.find((k) => k.algorithm === key.algorithm && k.status === status)
      const [active, next] = [of('active'), of('next')]
      if (!active || !next) throw new Error(`no ${key.algorithm} key to rotate`)
      await store.setKeyStatus(tx, active.kid, input.emergency ? 'revoked' : 'retired', now())
      await store.setKeyStatus(tx, next.kid, 'active', now())
      await store.insertKey(tx, key)
      await record(tx, {
        type: input.emergency ? 'key.revoked' : 'key.rotated',
        actor: input.actor ?? 'operator',
        data: { kid: active.kid, successor: next.kid, algorithm: key.algorithm },
      })
    }
  })
  await announce()
  return ok(await list())
}

/**
 * Unpublishes retired keys once nothing they signed is needed: ID tokens serve as logout hints for as
 * long as a session may last, and one hour is left for clocks and caches.
 */
export async function sweep(): Promise<void> {
  const { idTokenSeconds, sessionMaxSeconds } = env()
  const before = nowMs() - (Math.max(idTokenSeconds, sessionMaxSeconds) + 3600) * 1000
  const old = (row: store.KeyRow) =>
    row.status === 'retired' && row.retiredAt !== null && row.retiredAt.getTime() < before
  if (!(await store.readKeys()).some(old)) return
  await store.inKeyTurn(async (tx, current) => {
    for (const row of current.filter(old)) {
      await store.setKeyStatus(tx, row.kid, 'revoked', now())
      log().info({ kid: row.kid }, 'signing key unpublished')
    }
  })
  await announce()
}
