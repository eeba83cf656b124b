/** The one source of time. Product code never calls Date.now() itself, so tests can move time. */

let source: () => number = Date.now

/** Milliseconds since the epoch. */
export const nowMs = (): number => source()

/** Seconds since the epoch, as OAuth's `exp` and `iat` count. */
export const nowSeconds = (): number => Math.floor(source() / 1000)

export const now = (): Date => new Date(source())

/** Replaces the clock (tests only); `null` gives the real one back. */
export function setClock(fn: (() => number) | null): void {
  source = fn ?? Date.now
}
