/**
 * The product build: Prisma's client, the rooms as one set of modules in dist/ (packages stay outside),
 * and Next's pages. Each part is stamped with the hash of its sources, so a start knows what is current.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { run, sourceHash, stampFile } from './prepare.mjs'

const root = path.resolve(import.meta.dirname, '..')

const bin = (at, ...parts) => path.join(at, 'node_modules', ...parts)

async function must(what, command, args, options) {
  const { code, output } = await run(command, args, options)
  if (code !== 0) throw new Error(`${what} failed:\n${output.trim()}`)
  return output
}

const stamp = (at, part) =>
  writeFileSync(
    stampFile(at, part),
    `${JSON.stringify({ hash: sourceHash(at, part), at: new Date().toISOString() })}\n`,
  )

/** Generates the Prisma client and compiles the rooms, the server and the command line into dist/. */
export async function buildRooms(at = root) {
  await must('prisma generate', process.execPath, [bin(at, 'prisma/build/index.js'), 'generate'], {
    cwd: at,
    env: { ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' },
  })
  const { build, stop } = await import(pathToFileURL(bin(at, 'esbuild/lib/main.js')).href)
  const entries = {
    server: 'lib/host/portal.ts',
    rooms: 'lib/rooms.ts',
    hasher: 'lib/factors/hasher.mjs',
    cli: 'lib/cli/main.ts',
    seed: 'prisma/seed.ts',
  }
  rmSync(path.join(at, 'dist'), { recursive: true, force: true })
  await build({
    absWorkingDir: at,
    entryPoints: Object.entries(entries).map(([out, file]) => ({ in: path.join(at, file), out })),
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    jsx: 'automatic',
    sourcemap: true,
    alias: { '@': at },
    plugins: [serverOnly],
    logLevel: 'error',
  })
  // Its helper process would live as long as ours, which may go on to be the portal.
  await stop()
  stamp(at, 'rooms')
}

/** Outside Next there is no client bundle that a room could slip into. */
const serverOnly = {
  name: 'server-only',
  setup(build) {
    build.onResolve({ filter: /^server-only$/ }, () => ({ path: 'server-only', namespace: 'empty' }))
    build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: '' }))
  },
}

/**
 * What Next salts the ids of server actions with. Always the same, so that a form of one build can be sent to
 * another: to the next process of a rolling update, and from a page that was open while it ran. It would also
 * seal what an action closes over; none of ours closes over anything (lib/architecture.test.ts). Decision 080.
 */
const ACTIONS_KEY = createHash('sha256').update('gatehouse server actions').digest('base64')

/** Builds the pages and compresses what browsers load. */
export async function buildPages(at = root, { onOutput } = {}) {
  rmSync(stampFile(at, 'pages'), { force: true })
  await must('next build', process.execPath, [bin(at, 'next/dist/bin/next'), 'build'], {
    cwd: at,
    onOutput,
    env: {
      NEXT_SERVER_ACTIONS_ENCRYPTION_KEY: ACTIONS_KEY,
      ...process.env,
      NODE_ENV: 'production',
      NEXT_TELEMETRY_DISABLED: '1',
      NO_UPDATE_NOTIFIER: '1',
    },
  })
  refuseFrozenPages(at)
  await compress(path.join(at, '.next/static'))
  mkdirSync(path.dirname(stampFile(at, 'pages')), { recursive: true })
  stamp(at, 'pages')
}

/** A page rendered at build time cannot carry the nonce of an answer, so its scripts would not run. */
function refuseFrozenPages(at) {
  const { routes } = JSON.parse(readFileSync(path.join(at, '.next/prerender-manifest.json'), 'utf8'))
  const frozen = Object.keys(routes).filter((name) => !name.startsWith('/_') && !/\.\w+$/.test(name))
  if (frozen.length) {
    throw new Error(`These pages are rendered at build time and would not get a nonce: ${frozen.join(', ')}`)
  }
}

async function compress(folder) {
  for (const name of existsSync(folder) ? readdirSync(folder, { recursive: true }) : []) {
    const file = path.join(folder, String(name))
    if (!/\.(js|css|svg|json|txt)$/.test(file) || statSync(file).size < 1024) continue
    const bytes = readFileSync(file)
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
    writeFileSync(`${file}.br`, await promisify(brotliCompress)(bytes, { params }))
    writeFileSync(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }))
  }
}

if (process.argv[1] === import.meta.filename) {
  const began = performance.now()
  try {
    await buildRooms()
    await buildPages(root, { onOutput: (text) => process.stdout.write(text) })
    console.log(`Built in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
