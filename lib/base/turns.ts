/** How much of a thing is done at once, in this process: with a wait for a turn, or without one. */
import { ok, type Result, refuse } from './refusals'

/**
 * Turns: so much at once, in all and for one who asks. For work that strangers make us do and that occupies something
 * while it lasts; who finds no turn free is told so at once.
 */
export class Turns {
  readonly #most: number
  readonly #mostOfOne: number
  readonly #taken = new Map<string, number>()
  #all = 0

  constructor(most: number, mostOfOne: number) {
    this.#most = most
    this.#mostOfOne = mostOfOne
  }

  /** @returns what gives the turn back, once; null: none is free */
  take(who: string): (() => void) | null {
    const own = this.#taken.get(who) ?? 0
    if (this.#all >= this.#most || own >= this.#mostOfOne) return null
    this.#all++
    this.#taken.set(who, own + 1)
    let over = false
    return () => {
      if (over) return
      over = true
      this.#all--
      const left = (this.#taken.get(who) ?? 1) - 1
      if (left > 0) this.#taken.set(who, left)
      else this.#taken.delete(who)
    }
  }
}

export interface QueueLimits {
  /** How many run at a time. */
  concurrency: number
  /** Who would wait longer is refused. */
  maxWaitMs: number
  /** How many may wait at all: a bound on memory. */
  maxWaiting: number
}

/** Weight of the newest duration in the running mean. */
const NEWEST = 0.2
const FIRST_GUESS_MS = 50

/** First in, first out; refuses (`busy`, honest `retryAfterSeconds`) instead of growing. */
export class WorkQueue {
  #running = 0
  #waiting: { since: number; start: (admitted: boolean) => void }[] = []
  #meanMs = FIRST_GUESS_MS

  constructor(private readonly limits: () => QueueLimits) {}

  get waiting(): number {
    return this.#waiting.length
  }

  /** Runs `work` when its turn comes. */
  async run<T>(work: () => Promise<T>): Promise<Result<T>> {
    const { concurrency, maxWaitMs, maxWaiting } = this.limits()
    if (this.#running >= concurrency) {
      const wait = this.#expectedWaitMs(concurrency)
      if (this.#waiting.length >= maxWaiting || wait > maxWaitMs) return this.#busy(wait)
      const admitted = await new Promise<boolean>((start) => {
        this.#waiting.push({ since: performance.now(), start })
      })
      if (!admitted) return this.#busy(maxWaitMs)
    } else this.#running++

    const began = performance.now()
    try {
      return ok(await work())
    } finally {
      this.#meanMs += NEWEST * (performance.now() - began - this.#meanMs)
      this.#next(maxWaitMs)
    }
  }

  #expectedWaitMs(concurrency: number): number {
    return ((this.#waiting.length + 1) * this.#meanMs) / concurrency
  }

  /** Hands the freed place on; who waited too long has most likely gone and is not worth the work. */
  #next(maxWaitMs: number): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const admitted = performance.now() - next.since <= maxWaitMs
      next.start(admitted)
      if (admitted) return
    }
    this.#running--
  }

  #busy(waitMs: number) {
    return refuse('busy', { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) })
  }
}
