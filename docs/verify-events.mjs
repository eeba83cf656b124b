#!/usr/bin/env node
/**
 * Checks a downloaded history (Activity → Download → JSON): that no event was changed, removed, moved or put in.
 * Needs Node.js and nothing else, asks nobody, and believes nothing that it can compute.
 *
 *   node docs/verify-events.mjs activity.json
 *   node docs/verify-events.mjs activity.json activity-of-last-year.json    and that both tell one story
 *
 * Each event carries `hashed`, the very text that the database hashed, and hash = SHA-256(prevHash ‖ hashed). The first
 * follows `start` (the last event that was removed because it was old, or the hash of nothing), the last is `head`.
 * Whoever owns the database can write a whole new chain; an export that was kept elsewhere shows that.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** What stands where in `hashed`. */
const FIELDS = [
  'seq',
  'at',
  'type',
  'outcome',
  'userId',
  'actor',
  'sessionId',
  'deviceId',
  'clientId',
  'requestId',
  'ip',
  'userAgent',
  'data',
]

/** JSON with its names in order, so that equal values are equal texts. */
const plain = (value) =>
  JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )

function parsed(text) {
  try {
    const fields = JSON.parse(text)
    return Array.isArray(fields) && fields.length === FIELDS.length ? fields : null
  } catch {
    return null
  }
}

/** Follows a chain event by event; what is wrong gathers in `problems`, one sentence each. */
export class Chain {
  /**
   * @param {string} userId whose it is
   * @param {{ seq: number, hash: string }} start what the first event follows; hashes are hex
   */
  constructor(userId, start) {
    this.userId = userId
    this.last = { seq: start.seq, hash: start.hash }
    this.count = 0
    /** @type {string[]} */
    this.problems = []
  }

  /** @param {Record<string, any>} event the next one, in the order it is found in */
  add(event) {
    this.count++
    const { seq, prevHash, hash, hashed } = event
    const expected = this.last.seq + 1
    if (seq > expected)
      this.problems.push(
        seq === expected + 1
          ? `Event ${expected} is missing.`
          : `Events ${expected} to ${seq - 1} are missing.`,
      )
    else if (!(seq >= expected)) this.problems.push(`Event ${seq} stands where event ${expected} should.`)
    else if (prevHash !== this.last.hash)
      this.problems.push(`Event ${seq} does not follow the one before it.`)
    const made = createHash('sha256')
      .update(Buffer.from(String(prevHash), 'hex'))
      .update(String(hashed))
      .digest('hex')
    if (made !== hash) this.problems.push(`Event ${seq} is not what was written: its hash is another.`)
    const fields = parsed(hashed)
    const shown = { ...event, userId: event.userId ?? this.userId }
    const lies = FIELDS.filter((name, index) => plain(fields?.[index]) !== plain(shown[name]))
    if (lies.length > 0)
      this.problems.push(`Event ${seq} shows something else than was hashed: ${lies.join(', ')}.`)
    if (shown.userId !== this.userId) this.problems.push(`Event ${seq} is another person’s.`)
    if (!(seq <= this.last.seq)) this.last = { seq, hash }
  }

  /** @param {{ seq: number, hash: string }} head where the chain ends */
  end(head) {
    const { seq, hash } = this.last
    if (head.seq > seq)
      this.problems.push(`The newest events are missing: the last is ${seq}, it should be ${head.seq}.`)
    else if (head.seq < seq) this.problems.push(`There are events after the last one, ${head.seq}.`)
    else if (head.hash !== hash) this.problems.push('The last event is not the one the chain ends with.')
    return this.problems
  }
}

/** All that is wrong with an export; nothing when it is whole. */
export function verifyExport(history) {
  const chain = new Chain(history.userId, history.start)
  for (const event of history.events) chain.add(event)
  return chain.end(history.head)
}

/** What two exports of one person tell differently; nothing when they agree. */
export function compareExports(newer, older) {
  if (newer.userId !== older.userId) return ['The two exports are of different people.']
  if (older.head.seq < newer.start.seq)
    return ['The two exports have no event in common: whether they tell one story cannot be seen.']
  const known = new Map(newer.events.map(({ seq, hash }) => [seq, hash]))
  known.set(newer.start.seq, newer.start.hash)
  const told = [older.head, ...older.events].filter(({ seq }) => seq >= newer.start.seq)
  const differ = [...new Set(told.filter(({ seq, hash }) => known.get(seq) !== hash).map(({ seq }) => seq))]
  return differ.length === 0
    ? []
    : [`The older export has other events at: ${differ.sort((a, b) => a - b).join(', ')}.`]
}

function main(files) {
  if (files.length < 1 || files.length > 2) {
    console.error('node verify-events.mjs <export.json> [older-export.json]')
    return 2
  }
  const [newer, older] = files.map((file) => JSON.parse(readFileSync(file, 'utf8')))
  const problems = [
    ...verifyExport(newer),
    ...(older
      ? [...verifyExport(older).map((text) => `Older export: ${text}`), ...compareExports(newer, older)]
      : []),
  ]
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) return 1
  const { start, head, events } = newer
  console.log(
    `${events.length} events, ${start.seq + 1} to ${head.seq}: nothing was changed, removed, moved or put in.`,
  )
  if (start.seq > 0)
    console.log(`Events up to ${start.seq} were removed because they were old (${start.cutAt}).`)
  return 0
}

// By its name: compiled into another program, it is that program's part and no command.
if (path.basename(process.argv[1] ?? '') === 'verify-events.mjs')
  process.exitCode = main(process.argv.slice(2))
