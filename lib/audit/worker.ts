/** Runs the queue in this process: graphile-worker wakes `attempt` for every job that is due. */
import { Logger, type Runner, run, runMigrations, runOnce, type TaskList } from 'graphile-worker'
import type pg from 'pg'
import { log } from '../base/log'
import { attempt, handledKinds } from './delivery'
import { startExpiring } from './retention'
import * as store from './store'

/** At once: of what the house itself sends, and (beside it, so that mail never waits for them) of what goes to apps. */
const CONCURRENCY = 3
const CONCURRENCY_ABROAD = 4
/** New work announces itself; only retries wait for the next look. */
const POLL_MS = 3_000
const SWEEP_MS = 30_000
const RESTART_MS = 2_000

/** The library's own words: a success is no news, a failure was already told by `attempt`. */
const logger = new Logger((scope) => (level, message) => {
  const line = log().child({ queue: scope.label ?? 'queue' })
  if (level === 'error' || level === 'warning') line.warn(message)
  else line.debug(message)
})

function tasks(kinds: string[], stop?: AbortSignal): TaskList {
  return Object.fromEntries(
    kinds.map((kind) => [
      store.taskName(kind),
      async (payload: unknown) => {
        await attempt((payload as { id: string }).id, stop)
      },
    ]),
  )
}

/**
 * Batches (of one: no delay) because outside of them the library lets a failed "job is done" become an
 * unhandled rejection; inside, the runner ends and is started again below.
 */
const preset = { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } }

const shared = (pgPool: pg.Pool) => ({ pgPool, logger, preset, noHandleSignals: true })

interface Running {
  pool: pg.Pool
  runners: Map<Lane, Runner>
  stop: AbortController
  timers: Set<NodeJS.Timeout>
  stopExpiring: () => void
}

let running: Running | null = null

/** Brings the queue's own tables (schema graphile_worker) up to date. Safe to run in many processes. */
export async function migrate(): Promise<void> {
  const pool = store.queuePool(2)
  try {
    await runMigrations(shared(pool))
  } finally {
    await pool.end()
  }
}

/** The house's own deliveries and those to apps each have a runner: neither waits for the other. */
type Lane = 'home' | 'abroad'

const kindsOf = (lane: Lane): string[] =>
  handledKinds().filter((kind) => store.ABROAD.includes(kind) === (lane === 'abroad'))

async function launch(me: Running, lane: Lane): Promise<void> {
  const kinds = kindsOf(lane)
  if (kinds.length === 0) return
  const runner = await run({
    ...shared(me.pool),
    taskList: tasks(kinds, me.stop.signal),
    concurrency: lane === 'home' ? CONCURRENCY : CONCURRENCY_ABROAD,
    pollInterval: POLL_MS,
    parsedCronItems: [],
  })
  me.runners.set(lane, runner)
  // The runner ends by itself when the database stays away; it must come back with it.
  const ended = () => {
    me.runners.delete(lane)
    if (running === me) later(me, RESTART_MS, () => relaunch(me, lane))
  }
  runner.promise.then(ended, ended)
}

async function relaunch(me: Running, lane: Lane): Promise<void> {
  try {
    await launch(me, lane)
    log().info('delivery queue runs again')
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'delivery queue cannot start')
    if (running === me) later(me, RESTART_MS, () => relaunch(me, lane))
  }
}

function later(me: Running, ms: number, fn: () => Promise<void>): void {
  const timer = setTimeout(() => {
    me.timers.delete(timer)
    if (running === me) void fn()
  }, ms)
  timer.unref()
  me.timers.add(timer)
}

async function sweepForEver(me: Running): Promise<void> {
  try {
    await store.sweep()
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'delivery sweep failed')
  }
  later(me, SWEEP_MS, () => sweepForEver(me))
}

/** Starts delivering, and removing what is old, in this process, after every `handle`. Installs no signal handlers. */
export async function start(): Promise<void> {
  if (running) return
  const me: Running = {
    pool: store.queuePool(CONCURRENCY + CONCURRENCY_ABROAD + 2),
    runners: new Map(),
    stop: new AbortController(),
    timers: new Set(),
    stopExpiring: startExpiring(),
  }
  running = me
  try {
    await Promise.all([launch(me, 'home'), launch(me, 'abroad')])
    await sweepForEver(me)
  } catch (error) {
    await stop()
    throw error
  }
}

/** Ends delivering: running attempts may finish (their handlers are told by the signal after 5 s). */
export async function stop(): Promise<void> {
  const me = running
  running = null
  if (!me) return
  for (const timer of me.timers) clearTimeout(timer)
  me.stopExpiring()
  const abort = setTimeout(() => me.stop.abort(), 5000)
  try {
    await Promise.all([...me.runners.values()].map((runner) => runner.stop()))
  } catch (error) {
    // It was ending by itself just then.
    log().debug({ err: (error as Error).message }, 'delivery queue had stopped already')
  } finally {
    clearTimeout(abort)
    await me.pool.end()
  }
}

/**
 * Makes every delivery that is due, then returns (tests). Uses the connections of this process: one of its own would
 * prove itself and plan every statement anew, each time. After `migrate`.
 * @param options.now also those that wait for their next try
 */
export async function drain(options: { now?: boolean } = {}): Promise<void> {
  const kinds = handledKinds()
  if (options.now) await store.hurry(kinds)
  // A pass ends where a target's next delivery waits for the one before it.
  for (let left = Number.POSITIVE_INFINITY; left > 0; ) {
    await runOnce({ ...shared(store.housePool()), taskList: tasks(kinds) })
    const before = left
    left = await store.due(kinds)
    if (left >= before) return
  }
}
