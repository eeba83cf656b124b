/**
 * How many are being served, and whether one more would be too many. A body that does not arrive takes
 * no work of ours: it holds up whoever sends it, and nobody else.
 */
import type { IncomingMessage } from 'node:http'

/** Beyond this many at once, newcomers are sent away at once rather than all kept waiting. */
const MAX_AT_WORK = 400
/** Bodies that one network may leave unfinished at a time. */
const MAX_UNFINISHED = 64

export class Crowd {
  /** Who is being served, by the network they ask from. */
  #serving = new Map<IncomingMessage, string>()

  enter(req: IncomingMessage, network: string): void {
    this.#serving.set(req, network)
  }

  leave(req: IncomingMessage): void {
    this.#serving.delete(req)
  }

  /** True when pages are served to as many as we can. */
  get full(): boolean {
    if (this.#serving.size < MAX_AT_WORK) return false
    let atWork = 0
    for (const req of this.#serving.keys()) if (req.complete) atWork++
    return atWork >= MAX_AT_WORK
  }

  /** True when a network still owes us the ends of too many bodies to begin another. */
  owes(network: string): boolean {
    if (this.#serving.size < MAX_UNFINISHED) return false
    let unfinished = 0
    for (const [req, from] of this.#serving) if (from === network && !req.complete) unfinished++
    return unfinished >= MAX_UNFINISHED
  }
}
