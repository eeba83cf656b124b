/** What a person sees when the portal is up: where to click, who to be, where the mail goes. */
import type { Env } from '../base/env'
import type { DemoFacts } from './demo'
import type { Stores } from './stores'

interface Facts {
  env: Env
  stores: Pick<Stores, 'embedded' | 'migrated'>
  facts: DemoFacts | null
  demoUrl: string | undefined
  seconds: number
  /** Names of those that people may sign in with, and why others are left out. */
  providers: { names: string[]; problems: string[] }
}

type Paint = (text: string) => string

/** Colours where the terminal shows them and nobody objects (NO_COLOR). */
function paints(on: boolean): { bold: Paint; dim: Paint; brand: Paint } {
  const paint = (open: number, close: number): Paint =>
    on ? (text) => `\x1b[${open}m${text}\x1b[${close}m` : (text) => text
  return { bold: paint(1, 22), dim: paint(2, 22), brand: paint(36, 39) }
}

export function summary({ env, stores, facts, demoUrl, seconds, providers }: Facts): string {
  const { bold, dim, brand } = paints(Boolean(process.stdout.isTTY) && !process.env.NO_COLOR)
  const rows: [string, string][] = []
  const row = (label: string, text: string) => rows.push([label, text])
  row('Portal', brand(env.url))
  if (demoUrl) row('Demo app', `${brand(demoUrl)}  ${dim('sign in with the portal from here')}`)
  row('Mail', env.smtpUrl ? `sent by ${new URL(env.smtpUrl).host}` : `${brand(`${env.url}/dev/mailbox`)}`)
  row('OpenID issuer', env.issuer)
  row(
    'Database',
    stores.embedded.postgres
      ? 'embedded PostgreSQL'
      : decodeURIComponent(new URL(env.databaseUrl ?? '').host),
  )
  row('Redis', stores.embedded.redis ? 'embedded' : new URL(env.redisUrl ?? '').host)
  if (providers.names.length) row('Providers', providers.names.join(', '))
  row('Data folder', env.dataDir)
  if (stores.migrated.length) row('Migrated', stores.migrated.join(', '))
  const width = Math.max(...rows.map(([label]) => label.length))
  const lines = rows.map(([label, text]) => `  ${dim(label.padEnd(width))}  ${text}`)
  for (const problem of providers.problems) lines.push('', `  ${brand('Left out')}  ${problem}`)
  if (facts) {
    const wide = Math.max(...facts.users.map(({ email }) => email.length))
    lines.push('', `  ${dim('Sign in as')}`)
    for (const { email, password, admin } of facts.users) {
      lines.push(`    ${email.padEnd(wide)}  ${bold(password)}${admin ? dim('  administrator') : ''}`)
    }
  }
  return [
    '',
    `  ${bold(env.productName)} is ready ${dim(`in ${seconds.toFixed(1)} s`)}`,
    '',
    ...lines,
    '',
    `  ${dim('Ctrl-C stops everything; nothing committed is lost.')}`,
    '',
    '',
  ].join('\n')
}
