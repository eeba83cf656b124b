/**
 * Argon2id in a bounded queue. At most cores − 1 hashes run at a time, first come first served, each on a
 * thread of its own that yields to everything else (hasher.mjs), so a storm of sign-ins slows sign-ins and
 * nothing else (PW4); who would wait too long is told so at once.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { hash as argon2hash, type Options, parseOptions } from '@node-rs/argon2'
import { env } from '../base/env'
import type { Result } from '../base/refusals'
import { WorkQueue } from '../base/turns'

const queue = new WorkQueue(() => ({
  concurrency: Math.max(1, availableParallelism() - 1),
  maxWaitMs: env().passwordQueueSeconds * 1000,
  maxWaiting: 1000,
}))

type Job = { plain: string; options: Options } | { plain: string; hash: string }
type Answer = { value: string | boolean } | { error: string }

/** Threads with nothing to do; there are never more than the queue lets run. */
const idle: Worker[] = []

function newThread(): Worker {
  const thread = new Worker(new URL('./hasher.mjs', import.meta.url), {
    execArgv: [],
    env: {},
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 },
  })
  thread.unref()
  // Whose job it had is told in `onThread`; one that ends while it has none is only not asked again.
  thread.on('error', () => {})
  thread.once('exit', () => {
    const place = idle.indexOf(thread)
    if (place >= 0) idle.splice(place, 1)
  })
  return thread
}

/** Hands one job to a thread, which is kept for the next; one that broke is not. */
function onThread<T extends string | boolean>(job: Job): Promise<T> {
  const thread = idle.pop() ?? newThread()
  return new Promise<T>((resolve, reject) => {
    const broke = (error: Error | number) =>
      reject(typeof error === 'number' ? new Error(`a hashing thread ended with ${error}`) : error)
    thread.once('error', broke)
    thread.once('exit', broke)
    thread.once('message', (answer: Answer) => {
      thread.off('error', broke)
      thread.off('exit', broke)
      thread.unref()
      idle.push(thread)
      if ('error' in answer) reject(new Error(answer.error))
      else resolve(answer.value as T)
    })
    thread.ref()
    thread.postMessage(job)
  })
}

const SALT_BYTES = 16
const TAG_BYTES = 32

/** OWASP: argon2id, at least 19 MiB, two passes, one lane; the environment may only raise it. */
const parameters = (): Options => ({
  memoryCost: env().argon2.memoryKib,
  timeCost: env().argon2.passes,
  parallelism: 1,
  outputLen: TAG_BYTES,
})

/** @returns the PHC string with a fresh salt; refusal `busy` */
export const hashPassword = (plain: string): Promise<Result<string>> =>
  queue.run(() => onThread<string>({ plain, options: parameters() }))

/** @returns whether the password is the hashed one; refusal `busy` */
export const matches = (hash: string, plain: string): Promise<Result<boolean>> =>
  queue.run(() => onThread<boolean>({ plain, hash }))

/** True when a hash is weaker in anything than what is configured now (PW3). */
export function isOutdated(hash: string): boolean {
  const { memoryKib, passes } = env().argon2
  const made = parseOptions(hash)
  return (
    !hash.startsWith('$argon2id$v=19$') ||
    made.memoryCost < memoryKib ||
    made.timeCost < passes ||
    made.outputLen < TAG_BYTES ||
    made.saltLen < SALT_BYTES
  )
}

let decoy: { parameters: string; hash: Promise<string> } | null = null

/**
 * A hash that no password has (a hash of random bytes), with today's parameters: what an unknown user
 * is compared with, so that it costs the same (ENU2). Made once, outside the queue.
 */
export function decoyHash(): Promise<string> {
  const wanted = JSON.stringify(parameters())
  if (decoy?.parameters !== wanted) {
    const random = crypto.getRandomValues(new Uint8Array(32))
    decoy = { parameters: wanted, hash: argon2hash(random, parameters()) }
  }
  return decoy.hash
}
