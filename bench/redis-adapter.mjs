/**
 * A plain adapter of oidc-provider for Redis, after the example in the library's own documentation:
 * payloads under `<prefix><model>:<id>`, consumable ones as hashes, and a list of keys for each grant.
 */
import { Redis } from 'ioredis'

const CONSUMABLE = new Set([
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
])
const GRANTABLE = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken'])

const grantKey = (id) => `grant:${id}`
const uidKey = (uid) => `uid:${uid}`
const userCodeKey = (code) => `userCode:${code}`

/** @returns the adapter's class, bound to one Redis */
export function redisAdapter(url, keyPrefix) {
  const client = new Redis(url, { keyPrefix })

  return class RedisAdapter {
    constructor(name) {
      this.name = name
    }

    key(id) {
      return `${this.name}:${id}`
    }

    async upsert(id, payload, expiresIn) {
      const key = this.key(id)
      const text = JSON.stringify(payload)
      const multi = client.multi()
      if (CONSUMABLE.has(this.name)) multi.hset(key, { payload: text })
      else multi.set(key, text)
      if (expiresIn) multi.expire(key, expiresIn)
      if (GRANTABLE.has(this.name) && payload.grantId) {
        const list = grantKey(payload.grantId)
        multi.rpush(list, key)
        const ttl = await client.ttl(list)
        if (expiresIn > ttl) multi.expire(list, expiresIn)
      }
      if (payload.uid) {
        multi.set(uidKey(payload.uid), id)
        multi.expire(uidKey(payload.uid), expiresIn)
      }
      if (payload.userCode) {
        multi.set(userCodeKey(payload.userCode), id)
        multi.expire(userCodeKey(payload.userCode), expiresIn)
      }
      await multi.exec()
    }

    async find(id) {
      if (!CONSUMABLE.has(this.name)) {
        const text = await client.get(this.key(id))
        return text ? JSON.parse(text) : undefined
      }
      const { payload, ...rest } = await client.hgetall(this.key(id))
      return payload ? { ...rest, ...JSON.parse(payload) } : undefined
    }

    async findByUid(uid) {
      const id = await client.get(uidKey(uid))
      return id ? this.find(id) : undefined
    }

    async findByUserCode(code) {
      const id = await client.get(userCodeKey(code))
      return id ? this.find(id) : undefined
    }

    async consume(id) {
      await client.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000))
    }

    async destroy(id) {
      await client.del(this.key(id))
    }

    async revokeByGrantId(id) {
      const keys = await client.lrange(grantKey(id), 0, -1)
      const multi = client.multi()
      for (const key of keys) multi.del(key)
      multi.del(grantKey(id))
      await multi.exec()
    }
  }
}
