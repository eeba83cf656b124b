/** gatehouse clinic …: what an app accepts of a bad provider. It runs where the app's test instance runs. */
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { createTranslator } from 'use-intl/core'
import { cleanText } from '../base/clean'
import { now, nowMs } from '../base/clock'
import { env } from '../base/env'
import {
  AppUnderTest,
  CHECK_IDS,
  CHECKS,
  type CheckId,
  examine,
  keep,
  type Report,
  type Result,
  StandIn,
  sum,
  Trouble,
  verdict,
} from '../clinic'
import { listen } from '../host'
import type { ClientView } from '../oidc'
import { messages } from '../texts'
import { CliError, json, say } from './output'
import { withStores } from './session-of-work'

const words = createTranslator({ locale: 'en', messages: messages('en'), namespace: 'clinic' })

const MARKS = { right: '✓', wrong: '✗', unclear: '?', skipped: '–' } as const

/** What came of a check, as a few lines. */
function print(result: Result): void {
  const { check, note, status, outcome } = result
  const came = verdict(result)
  const weight = CHECKS[check].weight === 'should' ? ' (should)' : ''
  say(`${MARKS[came]} ${words(`checks.${check}.title`)}${came === 'wrong' ? weight : ''}`)
  const more = [
    came === 'wrong' && (outcome === 'accepted' || outcome === 'refused') && words(`did.${outcome}`),
    note && words(`notes.${note}`),
    came !== 'right' && status && words('page.status', { status: String(status) }),
  ].filter(Boolean)
  if (more.length > 0) say(`    ${more.join(' ')}`)
  if (came === 'wrong') say(`    → ${words(`checks.${check}.fix`)}\n      ${CHECKS[check].section.name}`)
}

function printSum(results: Result[]): void {
  const { wrongMust, ...counts } = sum(results)
  say(`\n${words('page.sum', counts)}.`)
  if (counts.wrong > 0 && wrongMust === 0)
    say('What is wrong should be mended; the standards leave a choice.')
}

interface Options {
  startUrl: URL
  press?: string
  signedInUrl?: URL
  issuer?: URL
  port: number
  wait: number
  keySeconds: number
  only?: CheckId[]
  json?: boolean
}

/** The app, if it may be examined at all. */
async function admitted(id: string): Promise<ClientView> {
  return await withStores(async () => {
    const { clients } = await import('../oidc')
    const client = await clients.get(id)
    if (!client) throw new CliError(`There is no client ${id}.`, 'gatehouse client list names them all.')
    if (!client.grants.includes('authorization_code'))
      throw new CliError(`Nobody signs in to ${client.name}, so there is nothing to examine.`)
    if (!client.testClient)
      throw new CliError(
        `${client.name} is not a test client: people may use it, and the clinic sends bad tokens.`,
        `For an app that nobody uses: gatehouse client update ${id} --test-client`,
      )
    return client
  })
}

/** Waits until the app sends its sign-ins here. */
async function arrival(app: AppUnderTest, seconds: number): Promise<void> {
  for (const until = nowMs() + seconds * 1000; ; ) {
    try {
      return await app.isReady()
    } catch (error) {
      if (!(error instanceof Trouble) || nowMs() >= until) throw error
      await sleep(Math.min(1000, Math.max(0, until - nowMs())))
    }
  }
}

async function run(client: ClientView, options: Options): Promise<Result[]> {
  const tell = options.json ? () => {} : say
  const server = createServer((req, res) => void standIn.then((at) => at.handle(req, res)))
  const { port, close } = await listen(server, {
    port: options.port,
    setting: '--port',
    at: ['127.0.0.1', '::1'],
  })
  const issuer = (options.issuer?.href ?? `http://localhost:${port}`).replace(/\/$/, '')
  const standIn = StandIn.make(client, issuer)
  try {
    const { startUrl, press, signedInUrl = null, keySeconds, only } = options
    const where = { startUrl, signedInUrl, ...(press && { press }) }
    const app = new AppUnderTest(await standIn, where)
    tell(`The clinic stands in for the portal at  ${issuer}\n`)
    tell(`Set that as the issuer of the app’s test instance (client_id ${client.clientId}) and start it.`)
    tell(`Waiting for it at ${startUrl.href} …\n`)
    await arrival(app, options.wait)
    return await examine({
      app,
      keySeconds,
      ...(only && { only }),
      wait: (milliseconds) => sleep(milliseconds),
      waiting: (seconds) =>
        tell(`  … refused; once more in ${seconds} s, for apps that read the keys once a minute at most.`),
      found: (result) => options.json || print(result),
    })
  } finally {
    close()
    server.closeAllConnections()
  }
}

async function clinic(id: string, options: Options): Promise<void> {
  const client = await admitted(id)
  if (options.issuer && options.issuer.origin === new URL(env().url).origin)
    throw new CliError(
      '--issuer is the portal itself: the clinic stands in for it, at an address of its own.',
    )
  const results = await run(client, options).catch((error: unknown) => {
    // It quotes what the app sent, which a terminal must not obey.
    throw error instanceof Trouble ? new CliError(cleanText(error.message, 1000), error.hint) : error
  })
  const report: Report = {
    at: now().toISOString(),
    clientId: client.clientId,
    clientSince: client.createdAt.toISOString(),
    startUrl: `${options.startUrl.origin}${options.startUrl.pathname}`,
    results,
  }
  // A part says nothing about the rest: the page keeps the last whole one.
  if (!options.only) await withStores(() => keep(report))
  const counts = sum(results)
  if (options.json)
    json({
      ...report,
      ...counts,
      results: results.map((result) => ({
        ...result,
        verdict: verdict(result),
        expects: CHECKS[result.check].expects,
        weight: CHECKS[result.check].weight,
        section: CHECKS[result.check].section.name,
        url: CHECKS[result.check].section.url,
        ...(verdict(result) === 'wrong' && { fix: words(`checks.${result.check}.fix`) }),
      })),
    })
  else printSum(results)
  if (counts.wrongMust > 0) process.exitCode = 1
}

function address(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new InvalidArgumentError('must be an address such as http://localhost:3001/login.')
  return url
}

const whole =
  (most: number) =>
  (value: string): number => {
    const number = Number(value)
    if (!Number.isInteger(number) || number < 0 || number > most)
      throw new InvalidArgumentError(`must be a whole number from 0 to ${most}.`)
    return number
  }

const isCheck = (name: string): name is CheckId => CHECK_IDS.some((id) => id === name)

function checks(value: string): CheckId[] {
  const names = value.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !isCheck(name))
  if (unknown !== undefined)
    throw new InvalidArgumentError(`there is no check ${unknown}; docs/clinic.md names them all.`)
  return names.filter(isCheck)
}

export function clinicCommand(program: Command): void {
  program
    .command('clinic')
    .argument('<client_id>', 'an app that is registered as a test client')
    .description('take an app through the mistakes of bad providers and attackers, and say which it accepts')
    .requiredOption(
      '--start-url <url>',
      'loading it begins a sign-in at the app, or the button there does',
      address,
    )
    .option('--press <text>', 'what stands on that button, where there are several')
    .option(
      '--signed-in-url <url>',
      'a page that looks different to whoever is signed in (default: where a sign-in ends)',
      address,
    )
    .option('--port <port>', 'where the clinic listens on this machine', whole(65_535), 3999)
    .option(
      '--issuer <url>',
      'how the app reaches it, when that is not http://localhost:<port> (a tunnel)',
      address,
    )
    .option('--wait <seconds>', 'how long to wait for the app to be there', whole(3600), 120)
    .option('--key-seconds <seconds>', 'for how long the app may keep keys it has read', whole(3600), 61)
    .option('--only <checks>', 'these checks alone, with commas; the report on the page stays', checks)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ gatehouse clinic shop-test --start-url http://localhost:3001/login\n' +
        '\nExit code 1 when something that must be refused was accepted, or the other way round.\n' +
        'All checks: docs/clinic.md',
    )
    .action(clinic)
}
