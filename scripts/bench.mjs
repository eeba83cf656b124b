#!/usr/bin/env node
/**
 * `npm run bench`: what each operation costs on this machine, beside a bare Node hello and the bare
 * OpenID library measured in the same minutes (docs/performance.md). Linux, because CPU is read from /proc.
 *
 *   npm run bench -- [--only session,signin,…] [--seconds 3] [--rounds 3] [--json]
 *   npm run bench -- --scale [--people 100000]
 */
import { availableParallelism, cpus, loadavg } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { operations } from '../bench/operations.mjs'
import { AIMS, CONNECTIONS, runMemory, runOperations, runStarts, runStorm } from '../bench/plan.mjs'
import { endAll, troubles } from '../bench/processes.mjs'
import { count, ms, table, times } from '../bench/report.mjs'
import { runScale } from '../bench/scale.mjs'
import { ensureInstalled, isCurrent } from './prepare.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')

/** Builds what is missing or older than its sources, before anything is measured. */
async function ensureBuilt() {
  const { buildPages, buildRooms } = await import('./build.mjs')
  if (!isCurrent(ROOT, 'rooms')) await buildRooms(ROOT)
  if (!isCurrent(ROOT, 'pages')) await buildPages(ROOT)
}

const MEASURED = Object.keys(operations).filter((name) => !operations[name].hidden)
const ALL = [...MEASURED, 'storm', 'memory', 'start']

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      scale: { type: 'boolean', default: false },
      people: { type: 'string', default: '100000' },
    },
  })
  const only = (values.only ?? []).flatMap((names) => names.split(','))
  const unknown = only.find((name) => !ALL.includes(name))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${ALL.join(', ')}.`)
  const number = (name, min) => {
    const value = Number(values[name])
    if (!(value >= min)) throw new Error(`--${name} must be a number from ${min}.`)
    return value
  }
  const wanted = only.length ? only : ALL
  return {
    wanted,
    seconds: number('seconds', 0.5),
    rounds: Math.round(number('rounds', 1)),
    json: values.json,
    scale: values.scale,
    people: Math.round(number('people', 2000)),
  }
}

/** Fills `results` part by part, so that what was measured before a failure is not lost. */
async function measureAll(results, { wanted, seconds, rounds, json, scale, people }) {
  const say = (text) => json || process.stderr.write(`  ${text} …\n`)
  Object.assign(results, {
    at: new Date().toISOString(),
    machine: { cpu: cpus()[0]?.model.trim(), cores: availableParallelism(), node: process.version },
    seconds,
    rounds,
    connections: CONNECTIONS,
    loadBefore: loadavg()[0],
  })
  if (scale) {
    results.scale = await runScale({ seconds, rounds, people, say })
    return
  }
  const names = MEASURED.filter((name) => wanted.includes(name))
  if (names.length || wanted.includes('storm') || wanted.includes('start')) {
    const { portal, target, client, figures, postgresVersion } = await runOperations({
      names,
      seconds,
      rounds,
      say,
    })
    Object.assign(results.machine, { postgres: postgresVersion })
    results.operations = figures
    if (wanted.includes('storm'))
      results.storm = await runStorm({ target, client, seconds: seconds + 2, rounds, say })
    if (wanted.includes('start')) results.secondStart = await runStarts({ portal, rounds, say })
    else await portal.stop()
  }
  if (wanted.includes('memory')) results.memory = await runMemory({ say })
}

const verdict = (good) => (good ? 'met' : 'missed')

function aimOf({ name, portal, redis, memory }) {
  const aim = AIMS[name]
  if (!aim) return ''
  if (aim.cpu) return `${verdict(portal.cpu <= aim.cpu)} (≤ ${aim.cpu} ms)`
  const beside = redis ?? memory
  return `${verdict(portal.cpu <= aim.library * beside.cpu)} (≤ ${aim.library}×)`
}

/** A house of a thousand people beside a large one. */
function scaleLines({ people, skipped, seedSeconds, figures, scans, sweep, troubles }) {
  const many = count(people)
  const head = ['operation', 'CPU, 1,000 people', `CPU, ${many} people`, 'ratio', 'p50', 'p99']
  const rows = Object.values(figures).map(({ title, small, large }) => [
    title,
    small ? ms(small.cpu) : '',
    ms(large.cpu),
    small ? times(large.cpu / small.cpu) : '',
    ms(large.p50),
    ms(large.p99),
  ])
  const { quiet, meanwhile, seconds, rows: over } = sweep
  return [
    `${many} people, ${count(people * 10)} sessions, ${count(people * 50)} events; seeded in ${seedSeconds.toFixed(0)} s`,
    '',
    table(head, rows),
    '',
    `Big tables read from end to end: ${scans.length ? scans.join(', ') : 'none'}.`,
    `Clean-up of ${count(over)} sessions that are over: ${seconds.toFixed(1)} s; p99 of session checks ${ms(meanwhile)} ms beside it, ${ms(quiet)} ms before.`,
    ...skipped.map((name) => `Not measured, as there is no such page: ${name}.`),
    ...troubles.map((what) => `MISSED: ${what}`),
    '',
  ]
}

function print(results) {
  const { machine, storm, memory, secondStart } = results
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}${machine.postgres ? `, PostgreSQL ${machine.postgres}` : ''}`,
    `${results.rounds} rounds of ${results.seconds} s, ${results.connections} connections, medians; CPU in ms for one iteration; load average before: ${results.loadBefore.toFixed(1)}`,
    '',
  ]
  if (results.operations?.length) {
    const head = [
      'operation',
      'per s',
      'p50',
      'p99',
      'p50 alone',
      'portal',
      'database',
      'Redis',
      'CPU',
      'h',
      '±',
      'aim',
    ]
    const rows = results.operations.map((row) => {
      const { title, portal, alone, hello } = row
      const cpu = [portal.server, portal.database, portal.redis, portal.cpu].map(ms)
      const spread = `${Math.round(portal.spread * 100)} %`
      const h = times(portal.cpu / hello.cpu)
      return [
        title,
        count(portal.rate),
        ms(portal.p50),
        ms(portal.p99),
        ms(alone.p50),
        ...cpu,
        h,
        spread,
        aimOf(row),
      ]
    })
    lines.push(table(head, rows), '')
    const hellos = results.operations.map((row) => row.hello)
    const range = (pick) => [Math.min(...hellos.map(pick)), Math.max(...hellos.map(pick))]
    const [low, high] = range((hello) => hello.cpu)
    lines.push(
      `Bare Node hello: ${ms(low)} to ${ms(high)} ms of CPU, ${range((hello) => hello.rate)
        .map(count)
        .join(' to ')} per s.`,
      '',
    )
    const compared = results.operations.filter((row) => row.memory)
    if (compared.length) {
      const headings = ['OpenID operation', 'portal', 'library, memory', 'ratio', 'library, Redis', 'ratio']
      const beside = (row, which) =>
        row[which] ? [ms(row[which].cpu), times(row.portal.cpu / row[which].cpu)] : ['–', '–']
      lines.push(
        table(
          headings,
          compared.map((row) => [
            row.title,
            ms(row.portal.cpu),
            ...beside(row, 'memory'),
            ...beside(row, 'redis'),
          ]),
        ),
        '',
      )
    }
  }
  if (results.scale) lines.push(...scaleLines(results.scale))
  const facts = []
  const signin = results.operations?.find(({ hash }) => hash)
  if (signin) {
    const hashes = signin.portal.cpu / signin.hash.cpu
    facts.push([
      'password sign-in, in hashes by Argon2id alone',
      `${times(hashes)} (${ms(signin.hash.cpu)} ms)`,
      `${verdict(hashes <= AIMS.signinHashes)} (≤ ${times(AIMS.signinHashes)})`,
    ])
  }
  if (storm) {
    const { quiet, storm: wild, ratio, signInsPerSecond } = storm
    const good = ratio <= AIMS.stormTimes && wild.p99 <= AIMS.stormMs
    facts.push(
      ['session check, quiet: p50 / p99', `${ms(quiet.p50)} / ${ms(quiet.p99)} ms`, ''],
      [
        'session check, in a storm of sign-ins: p50 / p99',
        `${ms(wild.p50)} / ${ms(wild.p99)} ms (${times(ratio)})`,
        `${verdict(good)} (≤ ${AIMS.stormTimes}×, ≤ ${AIMS.stormMs} ms)`,
      ],
      ['sign-ins in the storm', `${signInsPerSecond.toFixed(0)} per s`, ''],
    )
  }
  if (memory) {
    facts.push([
      `memory after ${memory.signIns} sign-ins, built-in Redis`,
      `${memory.after.toFixed(0)} MB (start ${memory.before.toFixed(0)}, peak ${memory.peak.toFixed(0)})`,
      `${verdict(memory.after < AIMS.memoryMb)} (< ${AIMS.memoryMb} MB)`,
    ])
  }
  if (secondStart) {
    facts.push([
      'second start, to the first 200',
      `${(secondStart.ms / 1000).toFixed(2)} s`,
      `${verdict(secondStart.ms < AIMS.secondStartMs)} (< ${AIMS.secondStartMs / 1000} s)`,
    ])
  }
  if (facts.length) lines.push(table(['besides', 'figure', 'aim'], facts), '')
  process.stdout.write(`${lines.join('\n')}\n`)
}

let ending = null
const endOnce = () => {
  ending ??= endAll()
  return ending
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    process.stderr.write(`\nStopped by ${signal}.\n`)
    endOnce().then(() => process.exit(130))
  })
}

const results = {}
const show = ({ json }) =>
  json ? process.stdout.write(`${JSON.stringify(results, null, 2)}\n`) : print(results)

let asked
try {
  asked = options()
  await ensureInstalled(ROOT, { dev: true })
  await ensureBuilt()
  await measureAll(results, asked)
  await endOnce()
  show(asked)
  if (results.scale?.troubles.length) process.exitCode = 1
} catch (error) {
  if (!ending) {
    if (asked && results.operations) show(asked)
    const usage = error.code?.startsWith('ERR_PARSE_ARGS') || !asked
    const what = usage ? error.message : (error.stack ?? error)
    process.stderr.write(`\n${[what, ...troubles()].join('\n')}\n`)
  }
  await endOnce()
  process.exitCode = 1
}
