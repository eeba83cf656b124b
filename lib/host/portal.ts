/**
 * The portal as a process: opens the stores, registers the rooms, starts Next inside, listens, and on
 * SIGTERM or Ctrl-C ends all of it in order. `run` is called by scripts/start.mjs.
 */
import { createServer, type Server } from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import next from 'next'
import { freePort } from '../../scripts/free-port.mjs'
import { awaitDb, closeDb } from '../base/db'
import { ConfigError, env, reloadEnv } from '../base/env'
import { startSweeping } from '../base/limits'
import { log } from '../base/log'
import { openPlaces } from '../base/place'
import { closeRedis } from '../base/redis'
import { type Rooms, registerRooms } from '../rooms'
import { BootError } from './boot-error'
import type { DemoFacts } from './demo'
import { watchHealth } from './health'
import { lockHolder } from './lock'
import { addresses, assertFree, type Listening, listen, selfOrigin } from './ports'
import { pause } from './processes'
import { ROOT } from './root'
import { refuseUnsafeDefaults } from './safety'
import { createHost } from './server'
import { sessionEvents } from './session-events'
import { staticFiles } from './static-files'
import { openStores } from './stores'
import { summary } from './summary'

interface RunOptions {
  /** performance.now() when the start began. */
  began: number
  /** Told what is going on, in a few words. */
  progress?: (text: string) => void
  /** Called before the summary is printed. */
  ready?: () => void
}

/** A thing to stop, in the reverse order of starting. */
type Ending = { what: string; end: () => unknown }

/**
 * Starts the portal and returns when it listens; from then on signals end it.
 * @throws BootError, ConfigError: one sentence (or one for each wrong setting) for the terminal
 */
export async function run(options: RunOptions): Promise<void> {
  const endings: Ending[] = []
  const unwind = async () => {
    for (const { what, end } of endings.splice(0).reverse()) {
      try {
        await end()
      } catch (error) {
        log().error({ err: error, what }, 'could not be stopped in order')
      }
    }
  }
  setFlagsFromString(KEEP_HEAP_SMALL)
  const stop = onSignals(unwind)
  try {
    await start(endings, options)
  } catch (error) {
    await unwind()
    throw error
  }
  stop.armed()
}

/**
 * Lets the heap grow by a quarter of what lives before it is collected. Left to itself, V8 lets it grow up to
 * fourfold where the machine has much memory: 450 MB after 1,000 sign-ins, of which 80 were alive.
 */
const KEEP_HEAP_SMALL = '--heap-growing-percent=25'

async function start(endings: Ending[], { began, progress = () => {}, ready }: RunOptions): Promise<void> {
  // On a terminal the summary is what a person wants to see; the log's requests would bury it.
  if (process.stdout.isTTY && !process.env.LOG_LEVEL) process.env.LOG_LEVEL = 'warn'
  reloadEnv()
  const asked = env()
  refuseUnsafeDefaults(asked)
  const holder = lockHolder(asked.dataDir)
  if (holder?.role === 'portal') {
    throw new BootError(
      `Gatehouse already runs on the data folder ${asked.dataDir} (process ${holder.pid}): stop it, or name another folder with GATEHOUSE_DATA.`,
    )
  }
  endings.push({ what: 'places', end: await openPlaces() })
  await settlePorts()
  // Where Next asks for the page that an action redirects to. Left to guess, it would send that request,
  // cookies and all, to whoever listens on port 3000.
  process.env.__NEXT_PRIVATE_ORIGIN = selfOrigin(env())
  const demo = env().demo ?? (env().loopback && !asked.databaseUrl)
  const at = addresses(env())
  await assertFree(env().port, 'PORT', at)
  if (demo) await assertFree(env().demoPort, 'DEMO_PORT', at)

  progress('starting the database')
  // Next adds an upgrade listener to the server it is told of; ours refuses upgrades.
  const app = next({ dev: false, dir: ROOT, quiet: true, httpServer: createServer() })
  const [stores] = await Promise.all([
    openStores({ role: 'portal', progress, onTrouble: (text) => log().error(text) }).then((opened) => {
      endings.push({ what: 'stores', end: () => opened.close() })
      return opened
    }),
    quietly(() => app.prepare()),
  ])
  endings.push({ what: 'pages', end: () => app.close() })
  // Errors of pages come to the log by instrumentation.ts; what Next prints besides are its remarks on them.
  for (const name of ['error', 'warn'] as const) {
    console[name] = (...words: unknown[]) => log().warn({ source: 'next' }, format(...words))
  }
  endings.push({ what: 'clients of the stores', end: () => Promise.all([closeDb(), closeRedis()]) })

  const rooms = registerRooms()
  await awaitDb()
  await startRooms(rooms, endings)
  const facts = demo ? await seed() : null

  const health = watchHealth()
  endings.push({ what: 'health', end: () => health.stop() })
  const host = createHost({
    pages: app.getRequestHandler(),
    forms: { '/signin/password': rooms.forms.password },
    oidc: rooms.oidc.handle,
    documents: rooms.oidc.serveDocument,
    signedOut: rooms.oidc.signedOut,
    checkSession: rooms.sessions.check,
    sessionEvents: sessionEvents(rooms.sessions),
    avatar: rooms.users.avatar,
    management: rooms.oidc,
    providerTokens: { access: rooms.oidc.access, tokenOf: rooms.federation.tokens.get },
    statics: staticFiles(path.join(ROOT, '.next/static')),
    health,
  })
  const open = await listen(host.server, { port: env().port, setting: 'PORT', at })
  endings.push({
    what: 'requests',
    end: async () => {
      await host.leave(env().shutdownNoticeSeconds * 1000)
      open.close()
      await host.drain(env().shutdownSeconds * 1000)
    },
  })
  stores.announce(open.port)
  let demoUrl: string | undefined
  if (facts?.client) {
    const app = await startDemoApp(facts.client)
    endings.push({ what: 'demo app', end: () => app.close() })
    demoUrl = app.url
  }
  ready?.()
  const problems = rooms.federation.problems()
  for (const problem of problems) log().error({ problem }, 'a provider is left out')
  const providers = { names: rooms.federation.providers().map(({ name }) => name), problems }
  const seconds = (performance.now() - began) / 1000
  process.stdout.write(summary({ env: env(), stores, facts, demoUrl, seconds, providers }))
}

/** Next talks to the terminal while it starts; that belongs in the log. */
async function quietly<T>(fn: () => Promise<T>): Promise<T> {
  const { log: print } = console
  console.log = (...words: unknown[]) => log().debug({ source: 'next' }, words.join(' '))
  try {
    return await fn()
  } finally {
    console.log = print
  }
}

/** Port 0 asks for any free one; the origin, unless given, is then made of the one found. */
async function settlePorts(): Promise<void> {
  const { port, demoPort } = env()
  if (port === 0) process.env.PORT = String(await freePort([demoPort]))
  if (demoPort === 0) process.env.DEMO_PORT = String(await freePort([port]))
  reloadEnv()
}

async function startRooms(rooms: Rooms, endings: Ending[]): Promise<void> {
  const { audit, factors, notify, oidc, security, sessions, signin } = rooms
  notify.assertTransport()
  for (const [what, room] of Object.entries({ sessions, oidc, audit })) {
    endings.push({ what, end: () => room.stop() })
    await room.start()
  }
  endings.push({ what: 'mail', end: () => notify.closeTransport() })
  endings.push({ what: 'budgets', end: startSweeping() })
  endings.push({ what: 'links', end: factors.links.startSweeping() })
  endings.push({ what: 'guests', end: signin.startSweepingGuests() })
  endings.push({ what: 'closed accounts', end: security.closing.startErasing() })
}

/** The seed is a program of its own (prisma/seed.ts), compiled beside this one. */
async function seed(): Promise<DemoFacts> {
  const { seedDemo } = await import('../../prisma/seed')
  return seedDemo()
}

async function startDemoApp(client: { clientId: string; clientSecret?: string }) {
  const file = pathToFileURL(path.join(ROOT, 'e2e/relying-app/app.mjs')).href
  const { startRelyingApp } = await import(file)
  const { issuer, demoPort } = env()
  let open: Listening | undefined
  const app = (await startRelyingApp({
    issuer,
    ...client,
    listen: async (server: Server) => {
      open = await listen(server, { port: demoPort, setting: 'DEMO_PORT', at: addresses(env()) })
    },
  })) as {
    url: string
    close(): Promise<void>
  }
  return {
    url: app.url,
    close: () => {
      open?.close()
      return app.close()
    },
  }
}

/**
 * SIGTERM, SIGINT and the end of the npm that started us end the portal in order; a second Ctrl-C ends
 * it at once. npm passes Ctrl-C on to a process that has it from the terminal already, so what comes
 * within a second is the same one.
 */
function onSignals(unwind: () => Promise<void>): { armed(): void } {
  let stoppingSince = 0
  let running = false
  const stop = async (signal: string) => {
    if (stoppingSince) {
      if (signal === 'SIGINT' && performance.now() - stoppingSince > 1000) process.exit(130)
      return
    }
    stoppingSince = performance.now()
    if (running) log().info({ signal }, 'stopping')
    await unwind()
    process.exit(0)
  }
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => void stop('SIGINT'))
  process.on('SIGHUP', () => void stop('SIGHUP'))
  process.on('unhandledRejection', (error) => log().error({ err: error }, 'unhandled rejection'))
  process.on('uncaughtException', (error) => {
    log().fatal({ err: error }, 'uncaught exception')
    process.exitCode = 1
    void unwind().then(() => process.exit(1))
  })
  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid
    const watch = async () => {
      while (process.ppid === parent) await pause(500)
      await stop('the end of npm')
    }
    void watch()
  }
  return {
    armed: () => {
      running = true
    },
  }
}

/** What to print for a failed start: our own sentences as they are, anything else with its stack. */
export function explain(error: unknown): string {
  if (error instanceof BootError || error instanceof ConfigError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
