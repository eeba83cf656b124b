/**
 * Device codes as the library reads and writes them (RFC 8628). At the token endpoint they pass the gate like every
 * other grant, and whoever polls too fast is slowed down. While a person decides, the library knows a code by a
 * reference that only works there: the code itself is the device's secret and nowhere kept.
 */
import { bucket } from '../base/limits'
import { hmac, sha256 } from '../base/secrets'
import { admit, grantOf, mustBeText, remember, revokeFamily, spendRequest } from './adapter'
import { mustBeAbleToEncrypt } from './client-keys'
import { current } from './context'
import { type Adapter, errors, type KoaContextWithOIDC, Provider } from './library'
import * as store from './store-device'

const REFERENCE = 'ref.'
export const referenceTo = (hash: string): string => REFERENCE + hash

/** The name of a user code at rest. */
export const userCodeName = (code: string): string => hmac('user-code', code)

/** The library tells devices to ask every five seconds; networks deliver a little early. */
const POLLS = { capacity: 1, perMinute: 13 }

const routeNow = (): string | undefined => (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc.route

/** The hash behind an id of the library's; null for a reference anywhere but where a person decides. */
function hashOf(id: string): string | null {
  if (!id.startsWith(REFERENCE)) return sha256(id)
  return routeNow() === 'device_resume' ? id.slice(REFERENCE.length) : null
}

const unsupported = async (): Promise<never> => {
  throw new Error('device codes are found by their value alone')
}

export const deviceCodes: Adapter = {
  findByUid: unsupported,
  findByUserCode: unsupported,
  async upsert(id, payload, expiresIn) {
    const hash = hashOf(id)
    if (!hash) throw new Error('a device code is decided by a person alone')
    const { jti: _, userCode, ...rest } = payload
    if (userCode && !id.startsWith(REFERENCE)) {
      mustBeText(payload)
      await spendRequest()
      const put = await store.putDevice(hash, userCodeName(userCode), { payload: rest }, expiresIn ?? 600)
      if (!put) throw new errors.CustomOIDCProviderError('temporarily_unavailable', 'try again')
      return
    }
    // Whoever typed it was asked; the browser may be somebody else's by now.
    const owner = await store.ownerOf(hash)
    const here = rest.accountId ?? current()?.facts?.userId
    if (!owner || (here !== undefined && here !== owner))
      throw new errors.InvalidRequest('the code was typed by somebody else')
    const grant = rest.accountId ? grantOf(payload) : undefined
    if (await store.decideDevice(hash, { payload: rest, ...(grant && { grant }) })) return
    throw new errors.InvalidRequest('the code was decided already, or is over')
  },
  async find(id) {
    const hash = hashOf(id)
    const found = hash && (await store.getDevice(hash))
    if (!hash || !found) return undefined
    const { payload, grant, state } = found
    if (routeNow() === 'token') {
      const slow = await bucket(hash, POLLS, 'device-poll')
      if (!slow.ok) throw new errors.SlowDown()
    }
    if (payload.accountId && !(await admit(payload))) return undefined
    if (grant) remember(payload, grant)
    return { ...payload, jti: id, ...(state === 'used' && { consumed: true }) }
  },
  async consume(id) {
    const hash = sha256(id)
    await mustBeAbleToEncrypt()
    if (await store.consumeDevice(hash)) return
    const found = await store.getDevice(hash)
    if (found?.payload.grantId) await revokeFamily(found.payload.grantId)
    throw new errors.InvalidGrant('device code already consumed')
  },
  async destroy() {
    // It ends by itself, and what hangs on it by its family.
  },
  async revokeByGrantId() {
    // One mark covers codes and access tokens alike; the adapter of access tokens sets it.
  },
}
