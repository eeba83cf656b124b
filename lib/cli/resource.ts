/** gatehouse resource …: the APIs that access tokens are made for. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { env } from '../base/env'
import type { NewResource } from '../oidc'
import { CliError, facts, json, refused, say, table } from './output'
import { withStores } from './session-of-work'

type Scope = NonNullable<NewResource['scopes']>[number]

/** `orders:read` or `orders:read=Read orders`. */
function scope(value: string, before: Scope[] = []): Scope[] {
  const [name = '', ...words] = value.split('=')
  const description = words.join('=').trim()
  return [...before, { name: name.trim(), ...(description && { description }) }]
}

const minutes = (value: string): number => {
  const whole = Number(value)
  if (!Number.isInteger(whole) || whole < 0 || whole > 1440)
    throw new InvalidArgumentError('must be a whole number of minutes, 1440 at most.')
  return whole
}

interface Options {
  name?: string
  scope?: Scope[]
  format?: 'jwt' | 'opaque'
  alg?: NewResource['algorithm']
  lifetimeMinutes?: number
  open?: boolean
  json?: boolean
}

/** What was said, and nothing else: what was not stays as it is. */
const changesOf = ({ name, scope, format, alg, lifetimeMinutes, open }: Options) => ({
  ...(open !== undefined && { open }),
  ...(name !== undefined && { name }),
  ...(scope && { scopes: scope }),
  ...(format && { format }),
  ...(alg && { algorithm: alg }),
  ...(lifetimeMinutes !== undefined && { lifetimeSeconds: lifetimeMinutes * 60 || null }),
})

async function add(id: string, options: Options & { name: string }): Promise<void> {
  await withStores(async () => {
    const { resources } = await import('../oidc')
    const input = { id, ...changesOf(options), name: options.name }
    const added = await resources.add(input, { actor: 'operator' })
    if (!added.ok) throw refused(added.refusal, 'API')
    if (options.json) return json(input)
    say(`Registered ${options.name}.\n`)
    facts([
      ['resource', id],
      ['scopes', (options.scope ?? []).map(({ name }) => name)],
    ])
    say(
      `\nNow say which apps get tokens for it: gatehouse client update <client_id> --resource "${id} <scopes>"`,
    )
  })
}

async function list(options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { resources } = await import('../oidc')
    const all = await resources.list()
    if (options.json) return json(all)
    table(
      ['resource', 'name', 'scopes', 'tokens', 'minutes', 'open'],
      all.map((one) => [
        one.id,
        one.name,
        one.scopes.map(({ name }) => name),
        one.format === 'jwt' ? `JWT (${one.algorithm})` : 'opaque',
        one.lifetimeSeconds && one.lifetimeSeconds / 60,
        one.open,
      ]),
      'No APIs yet. Add one with: gatehouse resource add https://api.example.com --name … --scope …',
    )
  })
}

async function update(id: string, options: Options): Promise<void> {
  await withStores(async () => {
    const { resources } = await import('../oidc')
    const changes = changesOf(options)
    const changed = await resources.update(id, changes, { actor: 'operator' })
    if (!changed.ok) throw refused(changed.refusal, 'API')
    if (options.json) return json({ id, ...changes })
    say(
      `Tokens for ${id} are made like that from now on; those that are out live as long as they were made for.`,
    )
  })
}

async function metadata(id: string): Promise<void> {
  await withStores(async () => {
    const { resources } = await import('../oidc')
    const found = (await resources.list()).find((one) => one.id === id)
    if (!found) throw new CliError(`There is no API ${id}.`, 'gatehouse resource list names them all.')
    // RFC 9728 section 2.
    json({
      resource: found.id,
      resourceName: found.name,
      authorizationServers: [env().issuer],
      scopesSupported: found.scopes.map(({ name }) => name),
      bearerMethodsSupported: ['header'],
    })
  })
}

async function remove(id: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { resources } = await import('../oidc')
    const removed = await resources.remove(id, { actor: 'operator' })
    if (!removed.ok) throw refused(removed.refusal, 'API')
    if (options.json) return json({ id, removed: true })
    say(`Removed ${id}. No token is made for it any more.`)
  })
}

const described = (command: Command): Command =>
  command
    .option(
      '--scope <scope>',
      'what may be allowed there, such as "orders:read=Read orders" (repeatable)',
      scope,
    )
    .addOption(
      new Option(
        '--format <format>',
        'jwt: the API verifies tokens by itself; opaque: it asks the portal',
      ).choices(['jwt', 'opaque']),
    )
    .addOption(new Option('--alg <alg>', 'what JWTs are signed with').choices(['ES256', 'RS256', 'EdDSA']))
    .option(
      '--lifetime-minutes <minutes>',
      'how long its tokens live; 0: as ACCESS_TOKEN_MINUTES says',
      minutes,
    )
    .option('--open', 'apps that registered themselves may ask people for it too')
    .option('--no-open', 'only apps that an operator names may get tokens for it')
    .option('--json', 'print JSON')

export function resourceCommands(program: Command): void {
  const resource = program
    .command('resource')
    .description('register the APIs that access tokens are made for')
  described(
    resource
      .command('add')
      .argument('<uri>', 'the API’s address, which tokens name as their audience')
      .description('register an API; its tokens are JWTs (ES256) unless said otherwise')
      .requiredOption('--name <name>', 'what operators read'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ gatehouse resource add https://api.example.com --name Orders --scope orders:read --scope orders:write',
    )
    .action(add)
  resource.command('list').description('all APIs').option('--json', 'print JSON').action(list)
  described(
    resource
      .command('update')
      .argument('<uri>')
      .description('change an API from the next token on; --scope names all that it has from then on')
      .option('--name <name>', 'what operators read'),
  ).action(update)
  resource
    .command('metadata')
    .argument('<uri>')
    .description('print what the API serves at /.well-known/oauth-protected-resource (RFC 9728)')
    .option('--json', 'it is JSON anyway')
    .action(metadata)
  resource
    .command('remove')
    .argument('<uri>')
    .description('remove an API; no token is made for it any more')
    .option('--json', 'print JSON')
    .action(remove)
}
