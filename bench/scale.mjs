/**
 * What operations cost in a small house and in a large one, which stand side by side and are measured in turns: many
 * people, many sessions of one person, many events, many rows that are over. The gate: nothing reads a big table from end
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
    // What has only become big meanwhile was rightly read as a whole before.
    .filter((name) => before[name] && after[name].scans > before[name].scans)
    .map((name) => `${name} (${after[name].scans - before[name].scans} times)`)

/** A portal with so many people, who have been here for a while. */
async function inhabited(count, say) {
  say(
    `seeding: ${count.toLocaleString('en')} people, ${(count * SESSIONS_EACH).toLocaleString('en')} sessions, ${(count * EVENTS_EACH).toLocaleString('en')} events`,
  )
  const portal = await startPortal({ folder: newFolder() })
  const target = await portalTarget(portal)
  const began = performance.now()
  await house(portal, target, { people: count, sessionsEach: SESSIONS_EACH, eventsEach: EVENTS_EACH })
  await settle(target)
  return { portal, target, seedSeconds: (performance.now() - began) / 1000 }
}

export async function runScale({ seconds, rounds, people, say }) {
  const houses = { small: await inhabited(SMALL, say), large: await inhabited(people, say) }
  const { portal, target, seedSeconds } = houses.large
  const client = start('client.mjs')
  const has = async (path) => (await fetch(`${portal.origin}${path}`, { redirect: 'manual' })).status !== 404
  const skipped = (await has('/account/activity')) ? [] : ['activity']

  const figures = {}
  /** One house after the other in each round: what else the machine does meets them alike. */
  const note = async (names, within) => {
    for (const name of names) {
      const { title, total, connections: most = CONNECTIONS } = operations[name]
      say(`${within.join(' and ')}: ${title}`)
      const load = { connections: Math.min(CONNECTIONS, most), seconds }
      const found = Object.fromEntries(within.map((which) => [which, []]))
      // What uses its inputs up has as many rounds as it has inputs.
      for (let round = 0; round < (total ? 1 : rounds); round++)
        for (const which of within) found[which].push(await measure(client, houses[which].target, name, load))
      figures[name] = { title }
      for (const which of within) figures[name][which] = medians(found[which])
    }
  }
  const wanted = Object.keys(BY_PEOPLE).filter((name) => !skipped.includes(name))
  for (const name of wanted)
    for (const { target: warm } of Object.values(houses))
      await measure(client, warm, name, { connections: CONNECTIONS, seconds })
  const before = await reads(target)
  await note(wanted, ['small', 'large'])
  await note([...BY_SESSIONS.map(({ many }) => many), ...REVOKE], ['large'])
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

  for (const each of Object.values(houses)) await each.portal.stop()
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
