/** gatehouse session …: who is signed in where, and ending it. */
import type { Command } from 'commander'
import type { Cursor, SessionRow } from '../sessions'
import { CliError, json, say, table } from './output'
import { sessionsToEnd, withStores } from './session-of-work'
import { userNamed } from './user'

async function allOf(userId: string, limit: number): Promise<SessionRow[]> {
  const sessions = await import('../sessions')
  const rows: SessionRow[] = []
  for (let before: Cursor | undefined; rows.length < limit; ) {
    const wanted = Math.min(limit - rows.length, 100)
    const page = await sessions.list(userId, { limit: wanted, ...(before && { before }) })
    rows.push(...page)
    const last = page.at(-1)
    if (page.length < wanted || !last) break
    before = { at: last.lastActiveAt, sid: last.sid }
  }
  return rows
}

async function list(name: string, options: { limit: string; json?: boolean }): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1) throw new CliError('--limit must be a whole number above 0.')
  await withStores(async () => {
    const user = await userNamed(name)
    const rows = await allOf(user.id, limit)
    if (options.json) return json(rows)
    table(
      ['session', 'browser', 'system', 'address', 'by', 'signed in', 'last active', 'until'],
      rows.map((s) => [s.sid, s.browser, s.os, s.ip, s.method, s.authAt, s.lastActiveAt, s.expiresAt]),
      `${user.email ?? user.id} is not signed in anywhere.`,
    )
  })
}

async function revoke(ids: string[], options: { user?: string; json?: boolean }): Promise<void> {
  if (Boolean(options.user) === ids.length > 0) {
    throw new CliError(
      'Say which sessions, or --user for all of one person.',
      'gatehouse session list <user> shows them.',
    )
  }
  await withStores(async () => {
    const sessions = await sessionsToEnd()
    const why = { reason: 'operator', actor: 'operator' }
    const ended: string[] = []
    let more = false
    if (options.user) {
      const user = await userNamed(options.user)
      const { sids, rest } = await sessions.revoke({ userId: user.id, all: true }, why)
      ended.push(...sids)
      more = rest
    }
    const unknown: string[] = []
    for (const sid of ids) {
      const facts = await sessions.alive(sid)
      const { sids } = facts ? await sessions.revoke({ userId: facts.userId, sid }, why) : { sids: [] }
      if (sids.length === 0) unknown.push(sid)
      ended.push(...sids)
    }
    if (options.json) json({ revoked: ended, more, unknown })
    else if (ended.length || !unknown.length)
      say(`Ended ${more ? `all sessions, more than ${ended.length}` : counted(ended.length)}.`)
    if (unknown.length) throw new CliError(`Not a live session: ${unknown.join(', ')}.`)
  })
}

const counted = (count: number): string => `${count} ${count === 1 ? 'session' : 'sessions'}`

export function sessionCommands(program: Command): void {
  const session = program.command('session').description('who is signed in where, and ending it')
  session
    .command('list')
    .argument('<user>', 'id or e-mail')
    .description('live sessions of a person, most recently active first')
    .option('--limit <count>', 'at most so many', '100')
    .option('--json', 'print JSON')
    .action(list)
  session
    .command('revoke')
    .argument('[session...]')
    .description('end sessions: cookies and tokens that hang on them stop working at once')
    .option('--user <user>', 'all sessions of this person (id or e-mail)')
    .option('--json', 'print JSON')
    .action(revoke)
}
