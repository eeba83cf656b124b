/**
 * What operations cost in a small house and in a large one, in the same process and minutes: many people, many
 * sessions of one person, many events, many rows that are over. The gate: nothing reads a big table from end
 * to end (PostgreSQL counts that), and no cost grows by more than it may (docs/performance.md).
 */
import pg from 'pg'
import { measure, medians } from './measure.mjs'
import { operations } from './operations.mjs'
import { portalTarget } from './plan.mjs'
import { newFolder, start, startPortal } from './processes.mjs'
import { closeSeed, house, overdue, settle } from './seed.mjs'

/** Sessions and events of each person. */
const SESSIONS_EACH = 10
const EVENTS_EACH = 50
const SMALL = 1000
const OVERDUE = 100_000
/** What is compared is the work of one request, not what many at once do to each other. */
const CONNECTIONS = 2

/** How much the large house may cost beside the small one, and one person with many sessions beside few. */
const BY_PEOPLE = {
  session: 1.3,
  'session-cold': 1.3,
  signin: 1.3,
  code: 1.3,
  refresh: 1.3,
  'devices-100': 1.5,
  activity: 1.5,
}
const BY_SESSIONS = [
  { few: 'devices-100', many: 'devices-10000', times: 1.2 },
  { few: 'session', many: 'session-10000', times: 1.3 },
]
const REVOKE = ['revoke-10', 'revoke-all', 'revoke-10000']

/** Rows of a big table. PostgreSQL rightly reads smaller ones as a whole. */
const BIG = 50_000

/** PostgreSQL's processes tell what they read when they have been idle for ten seconds. */
const TOLD_AFTER_MS = 11_000

async function reads({ databaseUrl }) {
  await new Promise((resolve) => setTimeout(resolve, TOLD_AFTER_MS))
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query(
      `SELECT relname AS name, seq_scan::int AS scans FROM pg_stat_user_tables WHERE n_live_tup > $1`,
      [BIG],
    )
    return Object.fromEntries(rows.map((row) => [row.name, row]))
  } finally {
    await client.end()
  }
}

/** Which big tables were read from end to end between two looks. */
const scanned = (before, after) =>
  Object.keys(after)
    .filter((name) => after[name].scans > (before[name]?.scans ?? 0))
    .map((name) => `${name} (${after[name].scans - before[name].scans} times)`)

export async function runScale({ seconds, rounds, people, say }) {
  const portal = await startPortal({ folder: newFolder() })
  const target = await portalTarget(portal)
  const client = start('client.mjs')
  const has = async (path) => (await fetch(`${portal.origin}${path}`, { redirect: 'manual' })).status !== 404
  const skipped = (await has('/account/activity')) ? [] : ['activity']

  const run = async (name) => {
    const connections = Math.min(CONNECTIONS, operations[name].connections ?? CONNECTIONS)
    const found = []
    // What uses its inputs up has as many rounds as it has inputs.
    const turns = operations[name].total ? 1 : rounds
    for (let round = 0; round < turns; round++)
      found.push(await measure(client, target, name, { connections, seconds }))
    return medians(found)
  }

  const build = async (count) => {
    say(
      `seeding: ${count.toLocaleString('en')} people, ${(count * SESSIONS_EACH).toLocaleString('en')} sessions, ${(count * EVENTS_EACH).toLocaleString('en')} events`,
    )
    const began = performance.now()
    await house(portal, target, { people: count, sessionsEach: SESSIONS_EACH, eventsEach: EVENTS_EACH })
    await settle(target)
    return (performance.now() - began) / 1000
  }

  const figures = {}
  const note = async (house, names) => {
    for (const name of names) {
      say(`${house}: ${operations[name].title}`)
      figures[name] ??= { title: operations[name].title }
      figures[name][house] = await run(name)
    }
  }
  const wanted = Object.keys(BY_PEOPLE).filter((name) => !skipped.includes(name))
  await build(SMALL)
  for (const name of wanted) await run(name)
  await note('small', wanted)
  const seedSeconds = await build(people - SMALL)
  const before = await reads(target)
  await note('large', wanted)
  await note(
    'large',
    BY_SESSIONS.map(({ many }) => many),
  )
  await note('large', REVOKE)
  const scans = scanned(before, await reads(target))

  say(`clean-up of ${OVERDUE.toLocaleString('en')} sessions that are over, beside session checks`)
  const quiet = await measure(client, target, 'session', { connections: CONNECTIONS, seconds })
  await overdue(target, OVERDUE)
  await settle(target)
  const sweeper = start('sweeper.mjs', {
    GATEHOUSE_SECRET: 'no secret is needed for what is over',
    DATABASE_URL: portal.databaseUrl,
    REDIS_URL: portal.redisUrl,
    GATEHOUSE_URL: portal.origin,
    LOG_LEVEL: 'silent',
  })
  const swept = new Promise((resolve) => sweeper.once('message', resolve))
  const meanwhile = await measure(client, target, 'session', { connections: CONNECTIONS, seconds })
  const sweep = { ...(await swept), rows: OVERDUE, quiet: quiet.p99, meanwhile: meanwhile.p99 }

  await portal.stop()
  await closeSeed()
  return { people, skipped, seedSeconds, figures, scans, sweep, troubles: judged(figures, scans) }
}

/** What grew by more than it may. */
function judged(figures, scans) {
  const wrong = scans.map((what) => `read from end to end: ${what}`)
  const held = (what, few, many, times) => {
    if (few && many && many.cpu > times * few.cpu)
      wrong.push(`${what}: ${(many.cpu / few.cpu).toFixed(2)} times, may be ${times}`)
  }
  for (const [name, times] of Object.entries(BY_PEOPLE))
    held(`${name}, by people`, figures[name]?.small, figures[name]?.large, times)
  for (const { few, many, times } of BY_SESSIONS)
    held(`${many} beside ${few}`, figures[few]?.large, figures[many]?.large, times)
  return wrong
}
