/** gatehouse user …: people and their accounts. */
import type { Command } from 'commander'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { isUuid, uuid } from '../base/ids'
import type { UserSummary } from '../users'
import { CliError, facts, json, refused, say, table } from './output'
import { newPassword, readJson } from './secret-input'
import { sessionsToEnd, withStores } from './session-of-work'

/** The user that an id or an address names. */
export async function userNamed(name: string): Promise<UserSummary> {
  const users = await import('../users')
  const found = isUuid(name) ? await users.get(name.toLowerCase()) : await users.find({ email: name })
  if (!found)
    throw new CliError(
      `There is no user ${name}.`,
      'gatehouse user list --query … searches by name or address.',
    )
  return found
}

interface AddOptions {
  email: string
  password?: string | false
  verified?: boolean
  firstName?: string
  lastName?: string
  displayName?: string
  role?: string[]
  json?: boolean
}

async function add(options: AddOptions): Promise<void> {
  const plain =
    options.password === false
      ? null
      : typeof options.password === 'string'
        ? options.password
        : await newPassword()
  await withStores(async () => {
    const users = await import('../users')
    const { password } = await import('../factors')
    const address = users.normalizeEmail(options.email)
    if (!address.ok) throw refused(address.refusal)
    const { firstName, lastName, displayName } = options
    let hash: string | null = null
    if (plain !== null) {
      const names = [firstName, lastName, displayName].filter((name) => name !== undefined)
      const allowed = await password.rules(plain, { email: address.value, names })
      if (!allowed.ok) throw refused(allowed.refusal)
      const hashed = await password.hash(plain)
      if (!hashed.ok) throw refused(hashed.refusal)
      hash = hashed.value
    }
    const id = uuid()
    await inTx(async (tx) => {
      const made = await users.register(tx, {
        id,
        email: address.value,
        verified: options.verified === true,
        locale: 'en',
        actor: 'operator',
        ...(firstName !== undefined && { firstName }),
        ...(lastName !== undefined && { lastName }),
        ...(displayName !== undefined && { displayName }),
        ...(options.role && { roles: options.role }),
      })
      if (!made.ok) throw refused(made.refusal, 'role')
      if (hash) await password.set(tx, id, hash)
    })
    const user = await users.get(id)
    if (options.json) return json(user)
    say(
      `Added ${address.value} (${id}).${options.verified ? '' : '\nThe address is not confirmed: the person confirms it at the first sign-in.'}`,
    )
  })
}

async function list(options: {
  query?: string
  limit: string
  after?: string
  json?: boolean
}): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1) throw new CliError('--limit must be a whole number above 0.')
  await withStores(async () => {
    const users = await import('../users')
    const items: UserSummary[] = []
    let next: string | null = options.after ?? null
    do {
      const page = await users.list({
        limit: Math.min(limit - items.length, 100),
        ...(options.query && { query: options.query }),
        ...(next && { after: next }),
      })
      items.push(...page.items)
      next = page.next
    } while (next && items.length < limit)
    if (options.json) return json({ items, next })
    table(
      ['id', 'e-mail', 'confirmed', 'name', 'status', 'roles', 'since', 'last sign-in'],
      items.map((u) => [
        u.id,
        u.email,
        u.emailVerified,
        u.name,
        u.isAnonymous ? `${u.status}, guest` : u.status,
        u.roles.join(', '),
        u.createdAt,
        u.lastLoginAt,
      ]),
      'No users found.',
    )
    if (next) say(`\nThere are more: --after ${next}`)
  })
}

async function show(name: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const user = await userNamed(name)
    const users = await import('../users')
    const { enrolled } = await import('../factors')
    const sessions = await import('../sessions')
    const emails = await users.emails.list(user.id)
    const factors = await enrolled(user.id)
    const live = await sessions.list(user.id, { limit: 100 })
    if (options.json) return json({ ...user, emails, factors, sessions: live })
    facts([
      ['id', user.id],
      [
        'e-mail',
        emails.map(
          (e) => `${e.address}${e.verifiedAt ? '' : ' (not confirmed)'}${e.isPrimary ? ' (primary)' : ''}`,
        ),
      ],
      ['name', user.name],
      ['status', user.disabledReason ? `${user.status} (${user.disabledReason})` : user.status],
      ['roles', user.roles.join(', ')],
      ['locale', user.locale],
      ['since', user.createdAt],
      ['last sign-in', user.lastLoginAt],
      ['password', factors.password],
      ['other factors', factorWords(factors)],
      ['live sessions', live.length === 100 ? '100 or more' : live.length],
    ])
  })
}

function factorWords(factors: object): string[] {
  return Object.entries(factors).flatMap(([name, count]) =>
    typeof count === 'number' && count > 0 ? [`${name}: ${count}`] : [],
  )
}

async function disable(name: string, options: { reason?: string; json?: boolean }): Promise<void> {
  await withStores(async () => {
    const user = await userNamed(name)
    const users = await import('../users')
    const sessions = await sessionsToEnd()
    const why = { actor: 'operator', ...(options.reason && { reason: options.reason }) }
    const { sids, rest } = await inTx(async (tx) => {
      const done = await users.disable(user.id, { ...why, tx })
      if (!done.ok) throw refused(done.refusal, 'user')
      const how = { reason: 'disabled', actor: 'operator' }
      return await sessions.revokeIn(tx, { userId: user.id, all: true }, how)
    })
    if (options.json) return json({ id: user.id, status: 'disabled', sessionsRevoked: sids.length })
    const ended = `${rest ? `more than ${sids.length}` : sids.length} ${sids.length === 1 ? 'session' : 'sessions'} ended`
    say(`Disabled ${user.email ?? user.id}; ${ended}.`)
  })
}

async function listFactors(name: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const user = await userNamed(name)
    const { totp, passkeys, backupCodes, password } = await import('../factors')
    const [hasPassword, apps, keys, codes] = [
      await password.has(user.id),
      await totp.list(user.id),
      await passkeys.list(user.id),
      await backupCodes.status(user.id),
    ]
    if (options.json) {
      return json({ id: user.id, password: hasPassword, totp: apps, passkeys: keys, backupCodes: codes })
    }
    const words = { passkey: 'passkey', security_key: 'security key' }
    table(
      ['factor', 'name', 'kept by', 'synced', 'since', 'last used'],
      [
        ...apps.map((a) => ['authenticator app', a.name, null, null, a.createdAt, a.lastUsedAt]),
        ...keys.map((k) => [
          words[k.kind],
          k.nickname,
          k.provider?.name,
          k.synced,
          k.createdAt,
          k.lastUsedAt,
        ]),
        ...(codes
          ? [['backup codes', `${codes.left} of ${codes.total} left`, null, null, codes.createdAt]]
          : []),
      ],
      `${user.email ?? user.id} has no second factor.`,
    )
    say(hasPassword ? 'There is a password.' : 'There is no password.')
  })
}

async function resetFactors(name: string, options: { reason?: string; json?: boolean }): Promise<void> {
  await withStores(async () => {
    const user = await userNamed(name)
    const who = user.email ?? user.id
    const { resetFactors: reset } = await import('../security')
    const audit = await import('../audit')
    // A mail will be owed, and on new stores no portal has made its queue yet.
    await audit.migrate()
    const done = await reset(user.id, {
      actor: 'operator',
      ...(options.reason && { reason: options.reason }),
    })
    if (!done.ok && done.refusal.code === 'not_found') throw new CliError(`${who} has no second factor.`)
    if (!done.ok) throw refused(done.refusal, 'user')
    if (options.json) return json({ id: user.id, ...done.value })
    const { removed, sessionsRevoked } = done.value
    say(
      `Removed from ${who}: ${factorWords(removed).join(', ')}; ${sessionsRevoked} ${sessionsRevoked === 1 ? 'session' : 'sessions'} ended. All proven addresses are told.`,
    )
  })
}

async function enable(name: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const user = await userNamed(name)
    const users = await import('../users')
    const done = await users.enable(user.id, { actor: 'operator' })
    if (!done.ok) throw refused(done.refusal, 'user')
    const now = await users.get(user.id)
    if (options.json) return json({ id: user.id, status: now?.status })
    say(`Enabled ${user.email ?? user.id}.`)
  })
}

async function remove(name: string, options: { now?: boolean; json?: boolean }): Promise<void> {
  await withStores(async () => {
    const [users, { closing }, { migrate }] = await Promise.all([
      import('../users'),
      import('../security'),
      import('../audit'),
      sessionsToEnd(),
    ])
    // A mail will be owed, and on new stores no portal has made its queue yet.
    await migrate()
    const before = await users.findClosed(name)
    const open = isUuid(name) ? await users.get(name.toLowerCase()) : await users.find({ email: name })
    if (open && open.status !== 'deleted') {
      const closed = await closing.closeFor(open.id, { actor: 'operator' }, options.now ? 0 : undefined)
      if (!closed.ok && closed.refusal.code === 'account_required')
        throw new CliError('That is a guest, who has no account.', 'Guests who are idle go by themselves.')
      if (!closed.ok) throw refused(closed.refusal, 'user')
      const { eraseAt, canBeKept } = closed.value
      if (options.json) return json({ id: open.id, status: 'closed', eraseAt })
      const until = canBeKept
        ? `Until ${eraseAt.toISOString()} it can be kept, by its person or by: gatehouse user keep ${open.id}`
        : 'A portal that runs erases it within the hour.'
      return say(`Closed the account of ${open.email ?? open.id}; every session ended. ${until}`)
    }
    if (!before)
      throw new CliError(`There is no user ${name}.`, 'gatehouse user closed lists closed accounts.')
    if (!options.now)
      throw new CliError(
        `The account of ${name} is closed already; it is erased on ${before.eraseAt.toISOString()}.`,
        '--now brings that forward.',
      )
    await users.eraseNow(before.id)
    if (options.json) return json({ id: before.id, status: 'closed', eraseAt: new Date(nowMs()) })
    say(`A portal that runs erases the account of ${before.email ?? before.id} within the hour.`)
  })
}

async function keep(name: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const [users, { closing }, { migrate }] = await Promise.all([
      import('../users'),
      import('../security'),
      import('../audit'),
    ])
    await migrate()
    const closed = await users.findClosed(name)
    if (!closed)
      throw new CliError(`There is no closed account ${name}.`, 'gatehouse user closed lists them.')
    const kept = await closing.keepFor(closed.id, { actor: 'operator' })
    if (!kept.ok && kept.refusal.code === 'email_taken')
      throw new CliError('All its addresses belong to somebody else by now.')
    if (!kept.ok) throw refused(kept.refusal, 'user')
    const user = await users.get(closed.id)
    if (options.json) return json({ id: closed.id, status: user?.status })
    say(`Kept the account of ${user?.email ?? closed.id}; nobody was signed in by it.`)
  })
}

async function listClosed(options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { listClosed: closed } = await import('../users')
    const items = await closed(1000)
    if (options.json) return json({ items })
    table(
      ['id', 'e-mail', 'closed', 'erased on'],
      items.map((one) => [one.id, one.email, one.closedAt, one.eraseAt]),
      'No closed accounts.',
    )
  })
}

async function releasePhone(number: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { phones } = await import('../security')
    const { migrate } = await import('../audit')
    // The mail is owed through the queue, whose tables the portal makes at its first start.
    await migrate()
    const released = await phones.release(number)
    if (!released.ok) {
      if (released.refusal.code !== 'not_found') throw refused(released.refusal)
      throw new CliError(`Nobody has confirmed ${number}.`, 'Give it with its country: +4915112345678.')
    }
    const { userId, number: readable } = released.value
    if (options.json) return json({ number: readable, userId })
    say(`Released ${readable}: it no longer belongs to ${userId}, who is told by mail.`)
  })
}

async function metadata(name: string, options: { set?: string; json?: boolean }): Promise<void> {
  const given = options.set === undefined ? undefined : await readJson(options.set)
  await withStores(async () => {
    const user = await userNamed(name)
    const users = await import('../users')
    if (given !== undefined) {
      const done = await users.metadata.set(user.id, given, { actor: 'operator' })
      if (!done.ok) throw refused(done.refusal, 'user')
    }
    // Names are kept as they are: apps read them.
    say(JSON.stringify((await users.metadata.get(user.id)) ?? {}, null, 2))
  })
}

async function roles(
  name: string,
  options: { set?: string; default?: string; json?: boolean },
): Promise<void> {
  await withStores(async () => {
    const user = await userNamed(name)
    // Apps that they may not enter any more are told.
    const [users] = await Promise.all([import('../users'), sessionsToEnd()])
    const changes = {
      ...(options.set !== undefined && {
        roles: options.set === 'none' ? [] : options.set.split(',').map((role) => role.trim()),
      }),
      ...(options.default !== undefined && { defaultRole: options.default }),
    }
    const done = await users.changeRoles(user.id, changes, { actor: 'operator' })
    if (!done.ok) throw refused(done.refusal, 'user')
    if (options.json) return json({ id: user.id, ...done.value })
    facts([
      ['roles', done.value.roles.join(', ')],
      ['default role', done.value.defaultRole],
    ])
  })
}

const many = (value: string, before: string[] = []): string[] => [...before, value]

export function userCommands(program: Command): void {
  const user = program.command('user').description('people and their accounts')
  user
    .command('add')
    .description('add a person; without --password it is asked for, or read from standard input')
    .requiredOption('--email <address>')
    .option('--password <password>', 'others on this machine can see it while the command runs')
    .option('--no-password', 'add the person without a password')
    .option('--verified', 'you know that the person reads this mailbox')
    .option('--first-name <name>')
    .option('--last-name <name>')
    .option('--display-name <name>')
    .option('--role <role>', 'a role beside "user", such as admin (repeatable)', many)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ gatehouse user add --email ada@example.com --verified < password.txt',
    )
    .action(add)
  user
    .command('list')
    .description('people, newest first')
    .option('--query <text>', 'whose address or name begins with it')
    .option('--limit <count>', 'at most so many', '50')
    .option('--after <cursor>', 'go on after the end of an earlier list')
    .option('--json', 'print JSON')
    .action(list)
  user
    .command('show')
    .argument('<user>', 'id or e-mail')
    .description('one person: addresses, factors, sessions')
    .option('--json', 'print JSON')
    .action(show)
  user
    .command('disable')
    .argument('<user>', 'id or e-mail')
    .description('no way in any more; every session and personal access token ends now')
    .option('--reason <text>', 'kept with the account')
    .option('--json', 'print JSON')
    .action(disable)
  user
    .command('factors')
    .argument('<user>', 'id or e-mail')
    .description('what a person can prove themselves with beside a password')
    .option('--json', 'print JSON')
    .action(listFactors)
  user
    .command('reset-factors')
    .argument('<user>', 'id or e-mail')
    .description('remove all second factors of a person who lost them; every session ends, and they are told')
    .option('--reason <text>', 'kept in the history: how you know who asked for it')
    .option('--json', 'print JSON')
    .action(resetFactors)
  user
    .command('enable')
    .argument('<user>', 'id or e-mail')
    .description('let a disabled person in again')
    .option('--json', 'print JSON')
    .action(enable)
  user
    .command('remove')
    .argument('<user>', 'id or e-mail')
    .description('close an account, as its person can: every session ends, and days later it is erased')
    .option('--now', 'it cannot be kept, and is erased within the hour; for a closed one, too')
    .option('--json', 'print JSON')
    .action(remove)
  user
    .command('keep')
    .argument('<user>', 'id, or the e-mail it had')
    .description('open a closed account again before it is erased')
    .option('--json', 'print JSON')
    .action(keep)
  user
    .command('closed')
    .description('closed accounts, soonest erased first; at most 1000')
    .option('--json', 'print JSON')
    .action(listClosed)
  user
    .command('metadata')
    .argument('<user>', 'id or e-mail')
    .description(
      'what you keep about a person for your apps (a JSON object); apps get it by claims of your own',
    )
    .option('--set <file>', 'puts this in the place of what is there (- reads standard input)')
    .option('--json', 'it is JSON anyway')
    .action(metadata)
  user
    .command('roles')
    .argument('<user>', 'id or e-mail')
    .description('the roles of a person; apps with the scope roles and claims of your own get them')
    .option('--set <roles>', 'with commas: the only ones beside the default role; none: no other')
    .option('--default <role>', 'the role that they have in any case')
    .option('--json', 'print JSON')
    .action(roles)
  user
    .command('release-phone')
    .argument('<number>', 'with a leading +, such as +4915112345678')
    .description('take a number that changed hands from whoever confirmed it')
    .option('--json', 'print JSON')
    .action(releasePhone)
}
