/**
 * What a clone needs before it can run: packages as the lock file says, and a build of the present
 * sources. Only node: builtins, because on a fresh clone there is nothing else.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const MIN_NODE = [20, 19]

/** One sentence when this Node is too old, else null. */
export function nodeTrouble(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const good = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])
  return good
    ? null
    : `Gatehouse needs Node.js ${MIN_NODE.join('.')} or newer; this is ${version}. Install a newer one from https://nodejs.org.`
}

const readJson = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}

/** True when node_modules holds what package-lock.json names (development packages only when asked for). */
export function isInstalled(root, { dev = false } = {}) {
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages
  const have = readJson(path.join(root, 'node_modules/.package-lock.json'))?.packages
  if (!wanted || !have) return false
  return Object.entries(wanted).every(([place, entry]) => {
    if (!place || entry.link) return true
    // Packages for other platforms stay away, and so may development packages.
    if (!have[place]) return Boolean(entry.optional || entry.peer || entry.devOptional || (entry.dev && !dev))
    return have[place].version === entry.version
  })
}

/**
 * Runs npm ci when node_modules is missing or does not fit the lock file.
 * @returns true when it had to
 */
export async function ensureInstalled(root, { dev = false, say = () => {} } = {}) {
  if (isInstalled(root, { dev })) return false
  say('installing packages')
  // No package here needs its install script, and some would try to download.
  const args = [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...(dev ? ['--include=dev'] : ['--omit=dev']),
  ]
  const npm = process.env.npm_execpath
  const { code, output } = npm?.endsWith('.js')
    ? await run(process.execPath, [npm, ...args], { cwd: root })
    : await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { cwd: root })
  if (code !== 0) {
    const why = /ENOSPC/.test(output)
      ? 'the disk is full'
      : (output.split('\n').find((line) => /npm (error|ERR!)/.test(line)) ?? 'npm ci failed').replace(
          /^npm (error|ERR!)\s*/,
          '',
        )
    throw new Error(`The packages could not be installed: ${why}. See what "npm ci" says.`)
  }
  return true
}

/** Runs a program to its end, output kept. */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let output = ''
    const keep = (chunk) => {
      output += chunk
      options.onOutput?.(String(chunk))
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    child.on('error', (error) => resolve({ code: -1, output: `${output}\n${error.message}` }))
    child.on('close', (code) => resolve({ code, output }))
  })
}

/** What the compiled rooms are made of, and what the pages are made of besides. */
const SOURCES = {
  rooms: ['lib', 'prisma', 'package-lock.json', 'scripts/build.mjs', 'tsconfig.json', 'e2e/relying-app'],
  pages: ['app', 'components', 'public', 'instrumentation.ts', 'next.config.mjs', 'postcss.config.mjs'],
}

const isSource = (name) => !/\.(test|fixture)\.tsx?$/.test(name)

function* filesUnder(place) {
  let entries
  try {
    entries = readdirSync(place, { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOTDIR') yield place
    return
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = path.join(place, entry.name)
    // The generated Prisma client follows from the schema.
    if (entry.isDirectory()) {
      if (!at.endsWith(path.join('lib', 'base', 'prisma')) && entry.name !== 'testing') yield* filesUnder(at)
    } else if (isSource(entry.name)) yield at
  }
}

/** A hash of all sources of a part; equal means a build of them is current. */
export function sourceHash(root, part) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`)
  const places = part === 'rooms' ? SOURCES.rooms : [...SOURCES.rooms, ...SOURCES.pages]
  for (const place of places) {
    for (const file of filesUnder(path.join(root, place))) {
      hash
        .update(`${path.relative(root, file)}\n`)
        .update(readFileSync(file))
        .update('\n')
    }
  }
  return hash.digest('hex')
}

/** Where the builds say what they were made of. */
export const stampFile = (root, part) =>
  path.join(root, part === 'rooms' ? 'dist' : '.next', 'gatehouse-build.json')

/** True when that part's build was made of the present sources, and is complete. */
export function isCurrent(root, part) {
  const complete =
    part === 'rooms'
      ? existsSync(path.join(root, 'dist/server.mjs'))
      : existsSync(path.join(root, '.next/BUILD_ID'))
  return complete && readJson(stampFile(root, part))?.hash === sourceHash(root, part)
}
