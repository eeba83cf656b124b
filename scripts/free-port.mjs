/** Finds TCP ports of this machine that nothing uses, and that nothing takes by chance before they are used. */
import { createServer } from 'node:net'

/**
 * Below the ports that systems hand to outgoing connections and to listeners that name none (from 32768 on
 * Linux, 49152 elsewhere): a port from there can be gone again before the one who asked listens on it.
 */
const [FIRST, LAST] = [15_000, 32_000]

/** None is given twice, so that two that are asked for at once differ. */
const given = new Set()

/** @returns {Promise<boolean>} whether nothing listens there, at any address */
const isFree = (port) =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, exclusive: true }, () => probe.close(() => resolve(true)))
  })

/**
 * @param {number[]} [except] ports that are meant for something else
 * @returns {Promise<number>} a port that is free at every address
 */
export async function freePort(except = []) {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (given.has(port) || except.includes(port)) continue
    given.add(port)
    if (await isFree(port)) return port
    given.delete(port)
  }
}
