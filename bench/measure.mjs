/** One window of load: what the client saw, and what each process spent on it. */
import { ofFamily, ofProcess } from './cpu.mjs'
import { message } from './processes.mjs'

/** CPU milliseconds so far: of the server itself, the database's processes, Redis. */
const meter = ({ pid, databasePid, redisPid }) => ({
  server: ofProcess(pid),
  database: ofFamily(databasePid),
  redis: ofProcess(redisPid),
})

async function heard(client, wanted) {
  const got = await message(client)
  if (got.error) throw new Error(got.error)
  if (!(wanted in got)) throw new Error(`the load client said ${JSON.stringify(got)}, not ${wanted}`)
  return got[wanted]
}

/**
 * Prepares one operation for a while of load; `run` starts the clock.
 * @param load.connections each sends its next request when the last was answered
 * @param load.perSecond instead: so many requests a second, whatever the answers take
 * @returns run(): iterations per second, latencies in ms, CPU ms per iteration of server, database, Redis
 */
export async function prepare(client, { meters, ...target }, name, load) {
  client.send({ run: { name, target, ...load } })
  await heard(client, 'ready')
  const run = async () => {
    const before = meter(meters)
    client.send({ go: true })
    const result = await heard(client, 'done')
    const after = meter(meters)
    await heard(client, 'checked')
    const each = (part) => (after[part] - before[part]) / result.count
    const cpu = { server: each('server'), database: each('database'), redis: each('redis') }
    return {
      rate: result.count / result.seconds,
      p50: result.p50,
      p99: result.p99,
      count: result.count,
      ...cpu,
      cpu: cpu.server + cpu.database + cpu.redis,
    }
  }
  return { run }
}

/** Prepares and runs. */
export const measure = async (...what) => (await prepare(...what)).run()

export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** The median of every figure over rounds, and how far `cpu` spread around it (largest distance, as a share). */
export function medians(rounds) {
  const out = {}
  for (const name of Object.keys(rounds[0])) out[name] = median(rounds.map((round) => round[name]))
  out.spread = Math.max(...rounds.map((round) => Math.abs(round.cpu - out.cpu) / out.cpu))
  return out
}
