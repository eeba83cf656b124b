import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { describe, expect, test } from 'vitest'
import { hashPassword, matches } from './hashing'

describe('the threads', () => {
  /** Niceness of every thread of this process (proc(5), the 19th field). */
  const niceness = () =>
    readdirSync('/proc/self/task').map((thread) => {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
    })

  test.runIf(process.platform === 'linux')('hash at a lower priority than everything else', async () => {
    const own = getPriority()
    expect((await hashPassword('harbour lantern seventeen')).ok).toBe(true)
    expect(niceness()).toContain(Math.min(19, own + 5))
    expect(getPriority()).toBe(own)
  })

  test('a hash that cannot be read fails alone, and the thread goes on', async () => {
    const made = await hashPassword('harbour lantern seventeen')
    const hash = made.ok ? made.value : ''
    await expect(matches('$argon2id$nonsense', 'harbour lantern seventeen')).rejects.toThrow()
    expect(await matches(hash, 'harbour lantern seventeen')).toEqual({ ok: true, value: true })
    expect(await matches(hash, 'harbour lantern eighteen')).toEqual({ ok: true, value: false })
  })
})
