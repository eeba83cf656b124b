#!/usr/bin/env node
/** `npx gatehouse …`: the command line, built first when it is missing or older than its sources. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const root = path.resolve(import.meta.dirname, '..')
const cli = path.join(root, 'dist/cli.mjs')

const { ensureInstalled, isCurrent } = await import('./prepare.mjs')
await ensureInstalled(root)
if (!existsSync(cli) || !isCurrent(root, 'rooms')) {
  const { buildRooms } = await import('./build.mjs')
  await buildRooms(root, { quiet: true })
}
await import(pathToFileURL(cli).href)
