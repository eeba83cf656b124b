/** gatehouse client …: the apps that people sign in to. */
import type { Command } from 'commander'
import { env } from '../base/env'
import type { ClientView } from '../oidc'
import { claimsCommand } from './client-claims'
import { addCommand, BY, updateCommand } from './client-registration'
import { CliError, facts, json, refused, say, table } from './output'
import { withStores } from './session-of-work'

/** Claims of an operator's own by their names alone: `client claims` shows what they hold. */
const named = (client: ClientView) => ({ ...client, claims: client.claims.map(({ name }) => name) })

async function list(options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const all = []
    for (let after: string | undefined; ; ) {
      const page = await clients.list(after ? { after, limit: 200 } : { limit: 200 })
      all.push(...page)
      if (page.length < 200) break
      after = page.at(-1)?.clientId
    }
    if (options.json) return json(all.map(named))
    table(
      ['client_id', 'name', 'redirect URIs', 'authenticates by', 'PKCE', 'first party', 'since'],
      all.map((c) => [c.clientId, c.name, c.redirectUris, c.authMethod, c.pkce, c.firstParty, c.createdAt]),
      'No clients yet. Add one with: gatehouse client add --name … --redirect-uri …',
    )
  })
}

async function show(id: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const client = await clients.get(id)
    if (!client) throw new CliError(`There is no client ${id}.`, 'gatehouse client list names them all.')
    if (options.json) return json(named(client))
    facts([
      ['client_id', client.clientId],
      ['name', client.name],
      ['redirect URIs', client.redirectUris],
      ['after sign-out', client.postLogoutRedirectUris],
      ['back-channel logout', client.backchannelLogoutUri],
      ['front-channel logout', client.frontchannelLogoutUri],
      ['authenticates by', client.authMethod],
      ['its keys', client.jwksUri ?? client.jwks?.keys.map((key) => key.kid ?? key.kty)],
      ['its certificate is for', client.certificateSubject],
      ['tokens bound to it', client.certificateBound],
      ['grants', client.grants],
      ['security level', client.security],
      ['signed requests', client.signedRequests],
      ['pairwise subjects', client.pairwise],
      ['ID tokens encrypted by', client.idTokenEncryption],
      ['userinfo encrypted by', client.userinfoEncryption],
      ['introspection signed by', client.introspectionAlg],
      ['PKCE required', client.pkce],
      ['first party', client.firstParty],
      [
        'registered itself',
        client.registered === 'token' ? 'with an initial access token' : client.registered,
      ],
      ['sign-ins of at least', client.acr],
      ['guests', client.guests],
      ['lets in the roles', client.entryRoles],
      ['lets in addresses at', client.entryDomains],
      ['tokens of', client.providerTokens],
      ['personal tokens', client.personalTokens],
      ['test client', client.testClient],
      [
        'APIs',
        client.resources.map(({ resource, scopes }) => [resource, ...(scopes ?? ['(all)'])].join(' ')),
      ],
      ['is the API', client.serves],
      ['claims of your own', client.claims.map(({ name }) => name)],
      ['session, unused', minutesInWords(client.sessionIdleMinutes)],
      ['session, in all', minutesInWords(client.sessionMaxMinutes)],
      ['logo', client.logoUri],
      ['its own page', client.clientUri],
      ['privacy policy', client.policyUri],
      ['terms', client.tosUri],
      ['help', client.supportUri],
      ['brand colour', client.brandColor],
      ['welcome (English)', client.welcomeEn],
      ['welcome (German)', client.welcomeDe],
      ['since', client.createdAt],
      ['switched off', client.disabledAt],
      [
        'secrets',
        client.secrets.map((s) => `…${s.hint}${s.expiresAt ? ` until ${s.expiresAt.toISOString()}` : ''}`),
      ],
    ])
  })
}

const minutesInWords = (minutes: number | null): string | null =>
  minutes === null ? null : `${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`

async function removeSecret(id: string, secret: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const removed = await clients.removeSecret(id, secret, BY)
    if (!removed.ok) throw refused(removed.refusal, 'secret')
    if (options.json) return json({ clientId: id, secret, removed: true })
    say(`That secret of ${id} is good for nothing any more.`)
  })
}

async function invite(options: { days: string; json?: boolean }): Promise<void> {
  const days = Number(options.days)
  if (!Number.isInteger(days) || days < 1 || days > 90)
    throw new CliError('--days must be a whole number from 1 to 90.')
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const { token, expiresAt } = await clients.invite({ days })
    const { registration, issuer } = env()
    const endpoint = `${issuer}/register`
    if (options.json)
      return json({
        initialAccessToken: token,
        expiresAt,
        registrationEndpoint: endpoint,
        mode: registration.mode,
      })
    facts([
      ['initial access token', token],
      ['registers at', endpoint],
      ['good until', expiresAt],
    ])
    say(
      registration.mode === 'token'
        ? '\nThe token is not shown again. It is good for one app.'
        : `\nCLIENT_REGISTRATION is ${registration.mode}: the token is good once it is set to token.`,
    )
  })
}

async function remove(id: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const removed = await clients.remove(id, { actor: 'operator' })
    if (!removed.ok) throw refused(removed.refusal, 'client')
    if (options.json) return json({ clientId: id, removed: true })
    say(`Removed ${id}, its consents and its tokens.`)
  })
}

/** `client disable` and `client enable`. */
const toggle = (what: 'disable' | 'enable') => async (id: string, options: { json?: boolean }) => {
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const done = await clients[what](id, { actor: 'operator' })
    if (!done.ok) throw refused(done.refusal, 'client')
    if (options.json) return json({ clientId: id, disabled: what === 'disable' })
    say(
      what === 'disable'
        ? `${id} is off: every request and token of it is refused, until gatehouse client enable ${id}`
        : `${id} is on again.`,
    )
  })
}

async function rotateSecret(id: string, options: { overlapHours: string; json?: boolean }): Promise<void> {
  const hours = Number(options.overlapHours)
  if (!(hours >= 0 && hours <= 8760)) throw new CliError('--overlap-hours must be a number from 0 to 8760.')
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const rotated = await clients.rotateSecret(id, { actor: 'operator', overlapSeconds: hours * 3600 })
    if (!rotated.ok) throw refused(rotated.refusal, 'client')
    const { clientSecret } = rotated.value
    if (options.json) return json({ clientId: id, clientSecret })
    facts([
      ['client_id', id],
      ['client_secret', clientSecret],
    ])
    say(`\nShown this once. Older secrets work for ${hours} more hours.`)
  })
}

async function showLog(id: string, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { clients } = await import('../oidc')
    if (!(await clients.get(id)))
      throw new CliError(`There is no client ${id}.`, 'gatehouse client list names them all.')
    const entries = await clients.log(id)
    if (options.json) return json(entries)
    table(
      ['when', 'endpoint', 'error', 'why', 'request'],
      entries.map((e) => [
        new Date(e.at),
        e.endpoint,
        e.error,
        [e.description, e.detail, e.redirectUri].filter(Boolean).join(' · '),
        e.requestId,
      ]),
      `No request of ${id} was refused in the last week.`,
    )
  })
}

export function clientCommands(program: Command): void {
  const client = program.command('client').description('register the apps that people sign in to')
  addCommand(client)
  client.command('list').description('all apps').option('--json', 'print JSON').action(list)
  client
    .command('show')
    .argument('<client_id>')
    .description('one app, without its secrets')
    .option('--json', 'print JSON')
    .action(show)
  updateCommand(client)
  claimsCommand(client)
  client
    .command('log')
    .argument('<client_id>')
    .description('why its newest requests were refused, newest first')
    .option('--json', 'print JSON')
    .action(showLog)
  client
    .command('disable')
    .argument('<client_id>')
    .description('switch an app off: every request and token of it is refused')
    .option('--json', 'print JSON')
    .action(toggle('disable'))
  client
    .command('enable')
    .argument('<client_id>')
    .description('switch an app on again; tokens that are not over are good again')
    .option('--json', 'print JSON')
    .action(toggle('enable'))
  client
    .command('remove')
    .argument('<client_id>')
    .description('remove an app with its consents and tokens')
    .option('--json', 'print JSON')
    .action(remove)
  client
    .command('rotate-secret')
    .argument('<client_id>')
    .description('print a new secret; the older ones end after a while')
    .option('--overlap-hours <hours>', 'how long older secrets still work', '24')
    .option('--json', 'print JSON')
    .action(rotateSecret)
  client
    .command('remove-secret')
    .argument('<client_id>')
    .argument('<secret>', 'its last four characters, as client show names it')
    .description('take one secret of an app away at once; the last one that is good stays')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nOne that begins with a dash: write -- before it, as in … <client_id> -- -xyz')
    .action(removeSecret)
  client
    .command('invite')
    .description(
      'print an initial access token, with which one app may register itself (CLIENT_REGISTRATION)',
    )
    .option('--days <days>', 'how long it is good, 90 at most', '7')
    .option('--json', 'print JSON')
    .action(invite)
}
