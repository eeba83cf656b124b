/** gatehouse doctor: looks at everything the portal needs, and says how to mend what is wrong. */
import type { Command } from 'commander'
import { ConfigError, env } from '../base/env'
import {
  type Check,
  checkCertificateApps,
  checkClock,
  checkDatabase,
  checkDeliveries,
  checkDemo,
  checkKeys,
  checkRedis,
  checkSafety,
} from './checks'
import { checkCertificates, checkIssuer, checkMail, checkProviders, checkSms } from './checks-outside'
import { json, say } from './output'
import { withStores } from './session-of-work'

const MARKS = { ok: '✓', warn: '!', fail: '✗' } as const

function print(check: Check): void {
  say(`${MARKS[check.state]} ${check.name.padEnd(10)} ${check.message}`)
  if (check.hint && check.state !== 'ok') say(`${' '.repeat(13)}→ ${check.hint}`)
}

/** Every check that can be made; a broken one does not keep the others from being made. */
async function examine(): Promise<Check[]> {
  const checks: Check[] = []
  try {
    env()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const hint = 'Correct the environment or .env; README.md lists every variable.'
    return [{ name: 'config', state: 'fail', message: error.message.replaceAll('\n', ' '), hint }]
  }
  checks.push(checkSafety())
  let portal = false
  try {
    await withStores(async (around) => {
      portal = around.portal
      checks.push(...(await checkDatabase()))
      checks.push(await checkRedis())
      checks.push(await checkClock())
      checks.push(await checkDeliveries())
      checks.push(await checkKeys())
      checks.push(await checkSms())
      checks.push(...(await checkCertificateApps()))
      checks.push(...(await checkDemo()))
    })
  } catch (error) {
    const hint = 'Mend this first: what hangs on it was not looked at.'
    checks.push({ name: 'stores', state: 'fail', message: (error as Error).message, hint })
  }
  checks.push(await checkMail())
  checks.push(...(await checkProviders()))
  checks.push(await checkIssuer(portal))
  checks.push(...(await checkCertificates()))
  // Said last: a running portal's own origin is known only now.
  checks.unshift({ name: 'config', state: 'ok', message: `public origin ${env().url}` })
  return checks
}

async function doctor(options: { json?: boolean }): Promise<void> {
  const checks = await examine()
  const ok = checks.every((check) => check.state !== 'fail')
  if (options.json) json({ ok, checks })
  else {
    for (const check of checks) print(check)
    say(ok ? '\nNothing keeps the portal from working.' : '\nMend what is marked ✗, then look again.')
  }
  if (!ok) process.exitCode = 1
}

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'look at configuration, stores, clock, signing keys, deliveries, mail, text messages, other providers, issuer and what the proxy hands over, and say how to mend them',
    )
    .option('--json', 'print JSON')
    .action(doctor)
}
