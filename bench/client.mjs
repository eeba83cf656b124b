/**
 * The load client, in a process of its own so that its work is in no figure. Told over IPC what to run:
 * prepares, says `ready`, waits for `go`, runs, answers with counts and latencies.
 */
import { operations } from './operations.mjs'
import { closeSeed } from './seed.mjs'

let go = null

/** Milliseconds at a share of the sorted list. */
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

function summary(times, seconds) {
  const sorted = Float64Array.from(times).sort()
  return { count: sorted.length, seconds, p50: at(sorted, 0.5), p99: at(sorted, 0.99), max: at(sorted, 1) }
}

/** Each connection sends its next request when the last was answered. */
async function closedLoop(operation, workers, seconds) {
  const times = []
  const began = performance.now()
  const until = began + seconds * 1000
  await Promise.all(
    workers.map(async (worker) => {
      for (let now = performance.now(); now < until; ) {
        if (!(await operation.once(worker))) return
        const end = performance.now()
        times.push(end - now)
        now = end
      }
    }),
  )
  return summary(times, (performance.now() - began) / 1000)
}

/**
 * So many requests a second whatever the answers take. A request that finds every connection waiting
 * counts from the moment it was due.
 */
async function steadyRate(operation, workers, seconds, perSecond) {
  const times = []
  const free = [...workers]
  const running = new Set()
  const began = performance.now()
  const send = async (worker, since) => {
    await operation.once(worker)
    times.push(performance.now() - since)
    free.push(worker)
  }
  for (let sent = 0; sent < seconds * perSecond; sent++) {
    const due = began + (sent * 1000) / perSecond
    const wait = due - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    const crowded = free.length === 0
    while (free.length === 0) await Promise.race(running)
    const turn = send(free.pop(), crowded ? due : performance.now()).then(() => running.delete(turn))
    running.add(turn)
    // One that failed stays among the running and is heard of below.
    turn.catch(() => {})
  }
  await Promise.all(running)
  return summary(times, (performance.now() - began) / 1000)
}

const AT_ONCE = 8

async function run({ name, target, connections, seconds, perSecond, total }) {
  const operation = operations[name]
  const stock = Math.ceil(((operation.stockPerSecond ?? 0) * seconds) / connections)
  const share = Math.ceil((total ?? operation.total ?? 0) / connections)
  const workers = []
  // A few at a time: a crowd that signs in at once would rightly be told to come back later.
  while (workers.length < connections) {
    const size = Math.min(AT_ONCE, connections - workers.length)
    const next = Array.from({ length: size }, (_, i) =>
      operation.prepare(target, workers.length + i, { stock, share }),
    )
    workers.push(...(await Promise.all(next)))
  }
  const started = new Promise((resolve) => {
    go = resolve
  })
  process.send({ ready: true })
  await started
  const result = perSecond
    ? await steadyRate(operation, workers, seconds, perSecond)
    : await closedLoop(operation, workers, seconds)
  process.send({ done: result })
  for (const worker of workers) await operation.after?.(worker)
  for (const { browser } of workers) browser.close()
  process.send({ checked: true })
}

process.on('message', (message) => {
  if (message.go) return go?.()
  run(message.run).catch((error) => process.send({ error: error.stack ?? String(error) }))
})
process.on('disconnect', async () => {
  await closeSeed()
  process.exit()
})
