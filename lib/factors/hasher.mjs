/**
 * A thread that hashes passwords and does nothing else. It is none of the pool's, so that no file, name
 * or signature waits behind a hash; and of a lower priority, so that where cores are few the thread that
 * answers everybody gets one at once. Plain JavaScript: it is started as a file of its own.
 */
import { readlinkSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { hashSync, verifySync } from '@node-rs/argon2'

const STEPS_BELOW = 5
const LOWEST = 19

try {
  // Linux counts niceness by thread, and this is where a thread finds its number. Elsewhere: as it comes.
  const [, thread] = /\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self')) ?? []
  if (thread) setPriority(Number(thread), Math.min(LOWEST, getPriority(Number(thread)) + STEPS_BELOW))
} catch {}

parentPort.on('message', ({ plain, options, hash }) => {
  try {
    parentPort.postMessage({ value: hash ? verifySync(hash, plain) : hashSync(plain, options) })
  } catch (error) {
    parentPort.postMessage({ error: error.message })
  }
})
