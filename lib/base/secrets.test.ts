import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { reloadEnv } from './env'
import {
  decrypt,
  deriveKey,
  encrypt,
  equal,
  forgetKeys,
  hmac,
  isSealedByOlder,
  keyedHashes,
  keyIds,
  open,
  seal,
  sha256,
} from './secrets'

interface Vectors {
  testGroups: {
    keySize: number
    ivSize: number
    tagSize: number
    tests: {
      tcId: number
      key: string
      iv: string
      aad: string
      msg: string
      ct: string
      tag: string
      result: string
    }[]
  }[]
}

const ONE = 'first-secret-first-secret-first-0001'
const TWO = 'second-secret-second-secret-sec-0002'

function useSecrets(...secrets: string[]): void {
  process.env.GATEHOUSE_SECRET = secrets.join(',')
  reloadEnv()
  forgetKeys()
}

const before = process.env.GATEHOUSE_SECRET
beforeEach(() => useSecrets(ONE))
afterEach(() => {
  process.env.GATEHOUSE_SECRET = before ?? ''
  reloadEnv()
})

describe('AES-256-GCM', () => {
  const file = path.join(import.meta.dirname, '../testing/vectors/wycheproof-aes_gcm_test.json')
  const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as Vectors
  const ours = testGroups
    .filter((g) => g.keySize === 256 && g.ivSize === 96 && g.tagSize === 128)
    .flatMap((g) => g.tests)

  it('agrees with every Wycheproof vector of its shape', () => {
    expect(ours.length).toBeGreaterThan(50)
    const hex = (text: string) => Buffer.from(text, 'hex')
    for (const t of ours) {
      const body = hex(t.ct + t.tag)
      const opened = () => decrypt(hex(t.key), hex(t.iv), hex(t.aad), body).toString('hex')
      if (t.result === 'valid') {
        expect(opened(), `tcId ${t.tcId}`).toBe(t.msg)
        expect(encrypt(hex(t.key), hex(t.iv), hex(t.aad), hex(t.msg)).equals(body), `tcId ${t.tcId}`).toBe(
          true,
        )
      } else expect(opened, `tcId ${t.tcId}`).toThrow()
    }
  })
})

describe('sealing', () => {
  it('gives back what it took, and never the same text twice', () => {
    expect(open('totp', 'row-1', seal('totp', 'row-1', 'geheim ✓'))).toBe('geheim ✓')
    expect(seal('totp', 'row-1', 'x')).not.toBe(seal('totp', 'row-1', 'x'))
  })

  it('sealed_value_moved_to_another_row_or_purpose_does_not_open', () => {
    const sealed = seal('totp', 'row-1', 'x')
    expect(() => open('totp', 'row-2', sealed)).toThrow()
    expect(() => open('signing_key', 'row-1', sealed)).toThrow()
  })

  it('tampered_value_does_not_open', () => {
    const [version, id, body = ''] = seal('totp', 'row-1', 'secret').split('.')
    const bytes = Buffer.from(body, 'base64url')
    for (let i = 0; i < bytes.length; i++) {
      const bent = Buffer.from(bytes)
      bent.writeUInt8(bent.readUInt8(i) ^ 1, i)
      expect(() => open('totp', 'row-1', `${version}.${id}.${bent.toString('base64url')}`)).toThrow()
    }
    for (const text of ['', 'v1', 'v1..', 'v2.x.y', `v1.${id}.`, `v1.${id}.AAAA`])
      expect(() => open('totp', 'row-1', text)).toThrow()
  })

  it('rotates: the new secret seals, the old still opens, and is dead once dropped', () => {
    const old = seal('totp', 'a', 'kept')
    useSecrets(TWO, ONE)
    expect(open('totp', 'a', old)).toBe('kept')
    const fresh = seal('totp', 'a', 'new')
    expect([old, fresh].map(isSealedByOlder)).toEqual([true, false])
    useSecrets(TWO)
    expect(open('totp', 'a', fresh)).toBe('new')
    expect(() => open('totp', 'a', old)).toThrow('unknown key')
  })
})

describe('keys and hashes', () => {
  it('are one for each purpose', () => {
    expect(deriveKey('a').equals(deriveKey('b'))).toBe(false)
    expect(hmac('a', 'x')).not.toBe(hmac('b', 'x'))
  })

  it('a keyed hash is found again after a rotation, by the id of its key', () => {
    const [kept] = keyedHashes('a', 'x')
    expect(kept.split('.')).toEqual(['v1', keyIds()[0], hmac('a', 'x')])
    useSecrets(TWO, ONE)
    expect(keyedHashes('a', 'x')).toEqual([expect.not.stringContaining(kept), kept])
    expect(keyedHashes('a', 'y')).not.toContain(kept)
    expect(keyedHashes('b', 'x')).not.toContain(kept)
    useSecrets(TWO)
    expect(keyedHashes('a', 'x')).not.toContain(kept)
  })

  it('SHA-256 matches a known value (FIPS 180-4)', () => {
    expect(sha256('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
  })

  it('compare by value', () => {
    expect(equal('abc', 'abc')).toBe(true)
    expect(equal('abc', 'abd')).toBe(false)
    expect(equal('abc', 'abcd')).toBe(false)
  })
})
