/**
 * The installed packages are no older than the versions that mended what their older ones got wrong
 * (OPS3): `npm audit` needs a service that not every machine reaches.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** Package → the first version without the flaws that we know of. */
const AT_LEAST: Record<string, string> = {
  next: '16.2.11',
  react: '19.2.3',
  'react-dom': '19.2.3',
  'next-auth': '4.24.15',
  '@auth/core': '0.41.3',
  nodemailer: '7.0.7',
}

interface Lock {
  packages: Record<string, { version?: string; integrity?: string; link?: boolean }>
}
const lock = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as Lock

const parts = (version: string): number[] => version.split('-')[0]?.split('.').map(Number) ?? []

function older(version: string, than: string): boolean {
  const [a, b] = [parts(version), parts(than)]
  for (const [i, wanted] of b.entries()) {
    if ((a[i] ?? 0) !== wanted) return (a[i] ?? 0) < wanted
  }
  return false
}

describe('what is installed', () => {
  test.each(Object.entries(AT_LEAST))('%s is at least %s, wherever it lies', (name, least) => {
    const copies = Object.entries(lock.packages).filter(
      ([place]) => place === `node_modules/${name}` || place.endsWith(`/node_modules/${name}`),
    )
    for (const [place, { version = '0' }] of copies)
      expect(older(version, least), `${place} ${version}`).toBe(false)
    if (name !== '@auth/core') expect(copies.length).toBeGreaterThan(0)
  })

  test('older is told from newer', () => {
    expect(older('16.2.10', '16.2.11')).toBe(true)
    expect(older('16.2.11', '16.2.11')).toBe(false)
    expect(older('16.10.0', '16.2.11')).toBe(false)
    expect(older('7.0.7', '7.0.7')).toBe(false)
    expect(older('6.9.99', '7.0.7')).toBe(true)
  })

  test('every package has the checksum it was locked with', () => {
    const without = Object.entries(lock.packages).filter(
      ([place, { integrity, link }]) => place.startsWith('node_modules/') && !link && !integrity,
    )
    expect(without.map(([place]) => place)).toEqual([])
  })
})
