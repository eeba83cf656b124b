#!/usr/bin/env node
/**
 * `npm start`: from a fresh clone to a running portal, with only Node and npm on the machine. Installs
 * and builds what is missing or older than the sources, then runs the portal in this very process.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { shareOneContext } from './async-context.mjs'
import { ensureInstalled, isCurrent, nodeTrouble } from './prepare.mjs'
import { progressLine } from './progress.mjs'

const began = performance.now()
const root = path.resolve(import.meta.dirname, '..')

function fail(message) {
  process.stderr.write(`\n${message}\n`)
  process.exit(1)
}

const trouble = nodeTrouble()
if (trouble) fail(trouble)

// A folder named by the person at the terminal is meant from where they are.
if (process.env.GATEHOUSE_DATA) process.env.GATEHOUSE_DATA = path.resolve(process.env.GATEHOUSE_DATA)
process.chdir(root)
if (existsSync('.env')) {
  try {
    process.loadEnvFile('.env')
  } catch (error) {
    fail(`.env cannot be read: ${error.message}`)
  }
}
process.env.NODE_ENV ??= 'production'
process.env.NEXT_TELEMETRY_DISABLED = '1'

const progress = progressLine()
try {
  await ensureInstalled(root, { say: progress.say })
  if (!isCurrent(root, 'rooms') || !isCurrent(root, 'pages')) {
    const { buildPages, buildRooms } = await import('./build.mjs')
    if (!isCurrent(root, 'rooms')) {
      progress.say('compiling the server')
      await buildRooms(root)
    }
    if (!isCurrent(root, 'pages')) {
      progress.say('building the pages')
      await buildPages(root)
    }
  }
} catch (error) {
  progress.end()
  fail(
    /ENOSPC|No space left/.test(error.message)
      ? 'The disk is full: free some space and start again.'
      : error.message,
  )
}

// Before anything that makes a storage is loaded.
shareOneContext()
const { explain, run } = await import(pathToFileURL(path.join(root, 'dist/server.mjs')).href)
try {
  await run({ began, progress: progress.say, ready: progress.end })
} catch (error) {
  progress.end()
  fail(explain(error))
}
