/**
 * Redis of device codes (RFC 8628). Atomic: `decideDevice` has one winner for each code, and what was decided stays;
 * `consumeDevice` too; `ownDevice` keeps the first user. A device code is named by its SHA-256, a user code, which is
 * short, by an HMAC; neither stands anywhere as it is.
 */
import { key } from '../base/keys'
import { withRedis } from '../base/redis'
import { sha256 } from '../base/secrets'
import type { AdapterPayload } from './library'
import type { GrantRow } from './store'

export interface DeviceKept {
  payload: AdapterPayload
  /** The consent, once somebody said yes. */
  grant?: GrantRow
}

const codeKey = (hash: string): string => key('oidcArtifact', 'DeviceCode', hash)
const userCodeKey = (mac: string): string => key('oidcArtifact', 'UserCode', mac)
const ownerKey = (hash: string): string => key('oidcArtifact', 'DeviceOwner', hash)
const claimKey = (sid: string): string => key('oidcArtifact', 'DeviceClaim', sha256(sid))

/** The first character says how far it is: waiting, decided, used. */
const [WAITING, DECIDED, USED] = ['0', '2', '1']

/** Keeps a new code; false when another with this user code waits. */
export async function putDevice(
  hash: string,
  userCode: string,
  kept: DeviceKept,
  ttlSeconds: number,
): Promise<boolean> {
  const named = await withRedis((client) => client.set(userCodeKey(userCode), hash, 'EX', ttlSeconds, 'NX'))
  if (named !== 'OK') return false
  await withRedis((client) => client.set(codeKey(hash), WAITING + JSON.stringify(kept), 'EX', ttlSeconds))
  return true
}

export async function getDevice(
  hash: string,
): Promise<(DeviceKept & { state: 'waiting' | 'decided' | 'used' }) | null> {
  const text = await withRedis((client) => client.get(codeKey(hash)))
  if (!text) return null
  const state = text[0] === WAITING ? 'waiting' : text[0] === USED ? 'used' : 'decided'
  return { ...(JSON.parse(text.slice(1)) as DeviceKept), state }
}

/** The hash of the device code that belongs to a user code, by any of its names. */
export async function findDevice(userCodes: string[]): Promise<string | null> {
  for (const name of userCodes) {
    const hash = await withRedis((client) => client.get(userCodeKey(name)))
    if (hash) return hash
  }
  return null
}

const MOVE = `
if redis.call('GETRANGE', KEYS[1], 0, 0) ~= ARGV[1] then return 0 end
if ARGV[3] then redis.call('SET', KEYS[1], ARGV[2] .. ARGV[3], 'KEEPTTL')
else redis.call('SETRANGE', KEYS[1], 0, ARGV[2]) end
return 1
`

/** Writes what a person decided; false when somebody had decided, or its time is over. */
export async function decideDevice(hash: string, kept: DeviceKept): Promise<boolean> {
  const answer = await withRedis((client) =>
    client.eval(MOVE, 1, codeKey(hash), WAITING, DECIDED, JSON.stringify(kept)),
  )
  return Number(answer) === 1
}

/** Uses a decided code up: one caller wins. */
export async function consumeDevice(hash: string): Promise<boolean> {
  return Number(await withRedis((client) => client.eval(MOVE, 1, codeKey(hash), DECIDED, USED))) === 1
}

/** Makes a code one user's, who may type it again; false when it is another's. */
export async function ownDevice(hash: string, userId: string, ttlSeconds: number): Promise<boolean> {
  const name = ownerKey(hash)
  await withRedis((client) => client.set(name, userId, 'EX', ttlSeconds, 'NX'))
  return (await withRedis((client) => client.get(name))) === userId
}

/** Whose code it is; null while nobody typed it. */
export const ownerOf = (hash: string): Promise<string | null> =>
  withRedis((client) => client.get(ownerKey(hash)))

/** Remembers for a session which code it is about to decide. */
export async function putClaim(sid: string, hash: string, ttlSeconds: number): Promise<void> {
  await withRedis((client) => client.set(claimKey(sid), hash, 'EX', ttlSeconds))
}

export const getClaim = (sid: string): Promise<string | null> =>
  withRedis((client) => client.get(claimKey(sid)))
