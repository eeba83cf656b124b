/**
 * The house's plan, executed: which room may import which, and through which door. Imports are found
 * by esbuild itself, type imports included, so nothing hides in an odd spelling.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { build, type Loader } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '..')

/** Room → rooms whose face it may import. `base` and `texts` are not faces but files, see below. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  texts: [],
  audit: ['base'],
  notify: ['base', 'audit', 'texts'],
  users: ['base', 'notify', 'audit'],
  factors: ['base', 'notify', 'audit'],
  federation: ['base', 'audit', 'users'],
  sessions: ['base', 'audit'],
  signin: ['base', 'audit', 'users', 'factors', 'federation', 'sessions', 'security'],
  security: ['base', 'audit', 'notify', 'users', 'factors', 'federation', 'sessions', 'oidc'],
  recovery: ['base', 'audit', 'notify', 'users', 'factors', 'sessions', 'security'],
  oidc: ['base', 'audit', 'users', 'sessions'],
  forms: ['base', 'sessions', 'signin', 'oidc'],
  clinic: ['base'],
  host: [
    'rooms',
    'base',
    'texts',
    'audit',
    'notify',
    'users',
    'factors',
    'federation',
    'sessions',
    'signin',
    'security',
    'recovery',
    'oidc',
    'forms',
    'clinic',
  ],
  cli: [
    'base',
    'texts',
    'audit',
    'notify',
    'users',
    'factors',
    'federation',
    'sessions',
    'signin',
    'security',
    'recovery',
    'oidc',
    'clinic',
    'host',
  ],
}

/** Entered file by file; every other room by its index alone. */
const OPEN_ROOMS = new Set(['base', 'texts'])

interface Import {
  from: string
  /** Path from the root without extension for our own files, else the package's specifier. */
  to: string
  own: boolean
  typeOnly: boolean
}

const isTest = (file: string) => /\.(test|fixture|spec)\.tsx?$/.test(file)

function sources(folder: string): string[] {
  if (!existsSync(path.join(ROOT, folder))) return []
  return readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter((file) => !file.startsWith('lib/base/prisma/') && !isTest(file))
}

/** Every import of these files, as esbuild reads them. */
async function importsOf(files: string[], keepTypes: boolean): Promise<Import[]> {
  const found: Import[] = []
  await build({
    absWorkingDir: ROOT,
    entryPoints: files,
    outdir: 'unused',
    outbase: ROOT,
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    jsx: 'automatic',
    // Imports whose names are not used are kept, so that a type's import is seen like any other.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true, jsx: 'react-jsx' } },
    logLevel: 'silent',
    plugins: [
      {
        name: 'note',
        setup(b) {
          b.onResolve({ filter: /.*/ }, ({ path: to, importer, resolveDir, kind }) => {
            if (kind === 'entry-point') return null
            const from = path.relative(ROOT, importer).split(path.sep).join('/')
            const own = to.startsWith('.') || to.startsWith('@/')
            const target = to.startsWith('@/') ? path.join(ROOT, to.slice(2)) : path.resolve(resolveDir, to)
            const name = own ? path.relative(ROOT, target).split(path.sep).join('/') : to
            found.push({ from, to: name.replace(/\.(tsx?|mjs)$/, ''), own, typeOnly: false })
            return { path: to, external: true }
          })
          b.onLoad({ filter: /\.tsx?$/ }, ({ path: file }) => {
            const text = readFileSync(file, 'utf8')
            const contents = keepTypes
              ? text
                  .replace(
                    /^(\s*)(import type (?=[{*\w])|export type (?=[{*]))/gm,
                    (_, space, word) => space + word.slice(0, 7),
                  )
                  .replace(/^((?:import|export) \{[^}]*\})/gm, (names) => names.replace(/\btype (?=\w)/g, ''))
              : text
            return { contents, loader: path.extname(file).slice(1) as Loader }
          })
        },
      },
    ],
  })
  return found
}

const roomOf = (file: string): string | null => /^lib\/([\w-]+)(\/|$)/.exec(file)?.[1] ?? null
const say = ({ from, to }: Import) => `${from} → ${to}`

let files: string[] = []
let all: Import[] = []

beforeAll(async () => {
  files = ['lib', 'app', 'components', 'prisma'].flatMap(sources)
  const values = await importsOf(files, false)
  const key = (i: Import) => `${i.from} ${i.to}`
  const atRunTime = new Set(values.map(key))
  all = (await importsOf(files, true)).map((i) => ({ ...i, typeOnly: !atRunTime.has(key(i)) }))
  // A type-only statement rewritten to a value one may vanish again for want of use; then the first reading has it.
  for (const i of values) if (!all.some((other) => key(other) === key(i))) all.push(i)
})

const own = () => all.filter((i) => i.own)

describe('rooms', () => {
  test('are seen by this test at all', () => {
    expect(files.length).toBeGreaterThan(60)
    expect(own().length).toBeGreaterThan(200)
    for (const room of new Set(files.map(roomOf))) {
      if (room && !['testing', 'index', 'rooms'].includes(room) && !room.includes('.')) {
        expect(Object.keys(MAY_IMPORT)).toContain(room)
      }
    }
  })

  test('stand in the README with what they may import', () => {
    const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8')
    const [, table = ''] = readme.split('| room | owns | may import |')
    const told = [...table.matchAll(/^\| `(\w+)` \|[^|]*\| ([^|]*) \|$/gm)].map(([, room, rooms]) => [
      room,
      rooms,
    ])
    const planned = Object.entries(MAY_IMPORT).map(([room, rooms]) => [
      room,
      ['host', 'cli'].includes(room) ? 'all' : rooms.join(', ') || '–',
    ])
    expect(told.sort()).toEqual(planned.sort())
  })

  test('import only what the plan allows', () => {
    const wrong = own().filter((i) => {
      const [from, to] = [roomOf(i.from), roomOf(i.to)]
      if (!from || !to || from === to || !(from in MAY_IMPORT)) return false
      return !MAY_IMPORT[from]?.includes(to)
    })
    expect(wrong.map(say)).toEqual([])
  })

  test('import nothing of the pages', () => {
    const wrong = own().filter((i) => i.from.startsWith('lib/') && /^(app|components)\//.test(i.to))
    expect(wrong.map(say)).toEqual([])
  })

  test('are entered by their door alone', () => {
    const wrong = own().filter((i) => {
      const to = roomOf(i.to)
      if (!to || !(to in MAY_IMPORT) || OPEN_ROOMS.has(to) || [to, 'testing'].includes(roomOf(i.from) ?? ''))
        return false
      return !/^lib\/[\w-]+(\/index)?$/.test(i.to)
    })
    expect(wrong.map(say)).toEqual([])
  })

  test('know nothing of Next, but for the host that starts it', () => {
    const wrong = all.filter(
      (i) =>
        /^(next|next-intl)(\/|$)/.test(i.to) && i.from.startsWith('lib/') && i.from !== 'lib/host/portal.ts',
    )
    expect(wrong.map(say)).toEqual([])
  })

  test('keep their SQL and Redis in their stores', () => {
    const clients = /import \{([^}]*)\} from '(?:\.\.\/base|@\/lib\/base)\/(db|redis)'/g
    const wrong = files
      .filter(
        (file) => /^lib\/(?!base|host|cli|testing)[\w-]+\//.test(file) && !/\/store[\w-]*\.ts$/.test(file),
      )
      .flatMap((file) =>
        [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(clients)]
          .flatMap(([, names = '']) => names.split(',').map((name) => name.trim()))
          .filter((name) => ['prisma', 'pool', 'sql', 'redis', 'withRedis'].includes(name))
          .map((name) => `${file} uses ${name}`),
      )
    expect(wrong).toEqual([])
  })

  test('begin with what they own, hand off and keep true, and stay on the server', () => {
    for (const room of Object.keys(MAY_IMPORT)) {
      const index = path.join(ROOT, 'lib', room, 'index.ts')
      if (OPEN_ROOMS.has(room) || !existsSync(index)) continue
      const text = readFileSync(index, 'utf8')
      expect(text, room).toMatch(/^\/\*\*\n \* Room: \w+\.\n[\s\S]*Owns:[\s\S]*Hands off:[\s\S]*Invariants:/)
      if (!['host', 'cli'].includes(room)) expect(text, room).toContain("import 'server-only'")
    }
  })
})

describe('pages', () => {
  test('reach rooms through the doors of @/lib; anything else of lib is a type or a word', () => {
    const wrong = own().filter(
      (i) =>
        i.from.startsWith('app/') &&
        i.to.startsWith('lib') &&
        !/^lib(\/index)?$/.test(i.to) &&
        !i.to.startsWith('lib/texts') &&
        !i.typeOnly,
    )
    expect(wrong.map(say)).toEqual([])
  })

  test('keep their server actions in files of their own, where they close over nothing', () => {
    // What an action closes over travels sealed with a key that every build has (scripts/build.mjs).
    const wrong = files
      .filter((file) => /^(app|components)\//.test(file))
      .filter((file) => /^\s+['"]use server['"]/m.test(readFileSync(path.join(ROOT, file), 'utf8')))
    expect(wrong).toEqual([])
  })

  test('know no client of a store', () => {
    const wrong = all.filter(
      (i) =>
        /^(app|components)\//.test(i.from) &&
        (/^(pg|ioredis|@prisma\/|graphile-worker)/.test(i.to) || /^lib\/base\/(db|redis|prisma)/.test(i.to)),
    )
    expect(wrong.map(say)).toEqual([])
  })

  test('components know rooms by their types only', () => {
    const wrong = own().filter(
      (i) =>
        i.from.startsWith('components/') &&
        /^(lib|app)(\/|$)/.test(i.to) &&
        !i.to.startsWith('lib/texts') &&
        !i.typeOnly,
    )
    expect(wrong.map(say)).toEqual([])
  })
})

test('the doors bring no code of a room along', () => {
  const wrong = own().filter((i) => i.from === 'lib/index.ts' && !i.typeOnly)
  expect(wrong.map(say)).toEqual([])
})

test('what helps tests is in no product file', () => {
  const wrong = own().filter((i) => i.to.startsWith('lib/testing') && !i.from.startsWith('lib/testing'))
  expect(wrong.map(say)).toEqual([])
})

test('the oidc-provider is imported in one place', () => {
  const wrong = all.filter(
    (i) => /^oidc-provider/.test(i.to) && !i.typeOnly && i.from !== 'lib/oidc/library.ts',
  )
  expect(wrong.map(say)).toEqual([])
})
