import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  dropRunFacts,
  generatedSecrets,
  prepareDataFolder,
  readRunFacts,
  replaceFile,
  writeRunFacts,
} from './data-folder'
import { lockHolder, takeLock } from './lock'
import { startMark } from './processes'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-folder-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const mode = (file: string) => statSync(file).mode & 0o777

describe('the data folder', () => {
  test('is made with mode 0700, and an open one is closed', () => {
    const fresh = path.join(dir, 'a/b')
    prepareDataFolder(fresh)
    expect(mode(fresh)).toBe(0o700)
    chmodSync(fresh, 0o755)
    prepareDataFolder(fresh)
    expect(mode(fresh)).toBe(0o700)
  })

  test('that is a file is refused in one sentence that names the variable', () => {
    writeFileSync(path.join(dir, 'file'), '')
    expect(() => prepareDataFolder(path.join(dir, 'file'))).toThrow(/is not a folder.*GATEHOUSE_DATA/)
    expect(() => prepareDataFolder(path.join(dir, 'file/below'))).toThrow(/is not a folder.*GATEHOUSE_DATA/)
  })

  test.skipIf(process.getuid?.() === 0)('that cannot be written is refused in one sentence', () => {
    const closed = path.join(dir, 'closed')
    mkdirSync(closed, { mode: 0o500 })
    expect(() => prepareDataFolder(path.join(closed, 'x'))).toThrow(
      /cannot be read and written.*GATEHOUSE_DATA/,
    )
  })

  test('keeps its secrets over starts, readable by the owner alone', () => {
    const first = generatedSecrets(dir)
    expect(generatedSecrets(dir)).toEqual(first)
    expect(first.secret.length).toBeGreaterThanOrEqual(43)
    expect(new Set(Object.values(first)).size).toBe(3)
    expect(mode(path.join(dir, 'secrets.json'))).toBe(0o600)
  })

  test('with a database but without its secrets refuses to make new ones', () => {
    mkdirSync(path.join(dir, 'postgres'))
    expect(() => generatedSecrets(dir)).toThrow(/secrets.json is missing/)
    expect(existsSync(path.join(dir, 'secrets.json'))).toBe(false)
  })

  test('with damaged secrets says so and leaves them alone', () => {
    writeFileSync(path.join(dir, 'secrets.json'), '{"secret":"x"')
    expect(() => generatedSecrets(dir)).toThrow(/damaged: restore it/)
    expect(readFileSync(path.join(dir, 'secrets.json'), 'utf8')).toBe('{"secret":"x"')
  })

  test('a_planted_link_is_replaced_not_followed', () => {
    const victim = path.join(dir, 'victim')
    writeFileSync(victim, 'untouched')
    symlinkSync(victim, path.join(dir, 'run.json'))
    replaceFile(path.join(dir, 'run.json'), '{}')
    expect(readFileSync(victim, 'utf8')).toBe('untouched')
    expect(statSync(path.join(dir, 'run.json')).isFile()).toBe(true)
  })

  test('tells commands where the stores are, until the portal ends', () => {
    const facts = { pid: 1, role: 'portal' as const, url: 'u', port: 3000, databaseUrl: 'd', redisUrl: 'r' }
    writeRunFacts(dir, facts)
    expect(mode(path.join(dir, 'run.json'))).toBe(0o600)
    expect(readRunFacts(dir)).toEqual(facts)
    dropRunFacts(dir)
    expect(readRunFacts(dir)).toBeNull()
  })
})

describe('the lock', () => {
  const plant = (holder: object) => writeFileSync(path.join(dir, 'lock'), JSON.stringify(holder))
  /** The test runner's parent: alive, and not us. */
  const other = process.ppid

  test('a living process keeps it', () => {
    const holder = { pid: other, started: startMark(other), role: 'portal' }
    plant(holder)
    expect(takeLock(dir, 'portal')).toEqual(holder)
    expect(lockHolder(dir)).toEqual(holder)
  })

  test('of a dead process is void', () => {
    plant({ pid: 4_194_000, started: '1', role: 'portal' })
    expect(lockHolder(dir)).toBeNull()
    expect(takeLock(dir, 'portal')).toHaveProperty('release')
  })

  test('of an earlier process whose number another one has now is void', () => {
    plant({ pid: other, started: `${startMark(other)}0`, role: 'portal' })
    expect(takeLock(dir, 'portal')).toHaveProperty('release')
  })

  test('that a kill left half written is void', () => {
    writeFileSync(path.join(dir, 'lock'), '{"pid":')
    expect(takeLock(dir, 'portal')).toHaveProperty('release')
  })

  test('is gone after release, and only the holder releases it', () => {
    const lock = takeLock(dir, 'portal')
    if (!('release' in lock)) throw new Error('not taken')
    lock.release()
    expect(existsSync(path.join(dir, 'lock'))).toBe(false)
    plant({ pid: other, started: startMark(other), role: 'portal' })
    lock.release()
    expect(existsSync(path.join(dir, 'lock'))).toBe(true)
  })
})
