/** Runs the hourly clean-ups of the rooms once, in a process of its own, and says how long they took. */
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const { rooms } = await import(pathToFileURL(path.resolve(import.meta.dirname, '../dist/rooms.mjs')).href)
const began = performance.now()
await rooms.sessions.sweep()
await rooms.oidc.sweep()
process.send({ seconds: (performance.now() - began) / 1000 }, () => process.exit())
