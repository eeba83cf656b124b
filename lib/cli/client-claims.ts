/** gatehouse client claims: claims of the operator's own in what an app gets. */
import { type Command, Option } from 'commander'
import { CliError, refused, say, table } from './output'
import { readJson } from './secret-input'
import { withStores } from './session-of-work'
import { userNamed } from './user'

interface ClaimsOptions {
  set?: string
  template?: string
  preview?: string
  none?: boolean
  json?: boolean
}

async function claims(id: string, options: ClaimsOptions): Promise<void> {
  const ways = [options.set, options.template, options.preview, options.none].filter(
    (way) => way !== undefined,
  )
  if (ways.length > 1) throw new CliError('Take one of --set, --template, --none and --preview.')
  const given = options.set === undefined ? undefined : await readJson(options.set)
  await withStores(async () => {
    const { clients, CLAIM_TEMPLATES } = await import('../oidc')
    if (options.preview !== undefined) return preview(id, options.preview, options.json)
    const template = options.template as keyof typeof CLAIM_TEMPLATES | undefined
    const input = options.none ? [] : template ? CLAIM_TEMPLATES[template] : given
    if (input !== undefined) {
      const changed = await clients.setClaims(id, input, { actor: 'operator' })
      if (!changed.ok) throw refused(changed.refusal, 'client')
    }
    const client = await clients.get(id)
    if (!client) throw new CliError(`There is no client ${id}.`, 'gatehouse client list names them all.')
    // Claims keep the names they have.
    if (options.json) return say(JSON.stringify({ client_id: id, claims: client.claims }, null, 2))
    table(
      ['claim', 'given', 'in', 'value'],
      client.claims.map(({ name, scope, always, in: where, value }) => [
        name,
        always ? 'always' : `with ${scope}`,
        where ?? 'everywhere',
        JSON.stringify(value),
      ]),
      `${id} gets no claims but the standard ones.`,
    )
    if (input !== undefined) say('\nFrom the next token and userinfo on.')
  })
}

async function preview(id: string, name: string, asJson?: boolean): Promise<void> {
  const { clients } = await import('../oidc')
  const user = await userNamed(name)
  const found = await clients.previewClaims(id, user.id, { actor: 'operator' })
  if (!found) throw new CliError(`There is no client ${id}.`, 'gatehouse client list names them all.')
  // Claims keep the names they have.
  if (asJson) return say(JSON.stringify(found, null, 2))
  const rows = found.scopes.flatMap(({ scope, idToken, userinfo }) => {
    const names = [...new Set([...Object.keys(idToken), ...Object.keys(userinfo)])]
    return names.map((claim) => [
      scope,
      claim,
      claim in idToken,
      claim in userinfo,
      JSON.stringify(idToken[claim] ?? userinfo[claim]),
    ])
  })
  table(['with scope', 'claim', 'ID token', 'userinfo', 'value'], rows, 'Nothing.')
  say(
    '\nNothing was issued; their history says that you looked. Of a sign-in there would be auth_time, acr, amr and sid as well.',
  )
}

export function claimsCommand(client: Command): void {
  client
    .command('claims')
    .argument('<client_id>')
    .description('claims of your own in what an app gets; without an option it shows them')
    .option('--set <file>', 'a JSON array in the place of what there is (- reads standard input)')
    .addOption(new Option('--template <name>', 'one that is ready').choices(['hasura']))
    .option('--none', 'take them away')
    .option('--preview <user>', 'what the app would get for this user, scope by scope; issues nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample of a file:\n  [{ "name": "plan", "scope": "profile", "value": "{{metadata.plan | default:free}}" }]\nAll of it: docs/claims.md',
    )
    .action(claims)
}
