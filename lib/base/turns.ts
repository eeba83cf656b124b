/**
 * Turns: so much of a thing at once, in all and for one who asks. For work that strangers make us do and that occupies
 * something while it lasts; who finds no turn free is told so at once. In this process.
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

/** One after the other, but for `most` at once; in the order in which they came. */
export function inLine(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let free = most
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}
