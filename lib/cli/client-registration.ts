/** gatehouse client add and client update: what an app is registered with, option by option, and what is said of it. */
import type { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { env } from '../base/env'
import { certificatesIn } from '../base/pem'
import type { ClientChanges, ClientView, Level, NewClient, Security } from '../oidc'
import { CliError, facts, json, refused, say } from './output'
import { withStores } from './session-of-work'

// ── how options are read ─────────────────────────────────────────────────────

const acrOption = () =>
  new Option('--acr <level>', 'aal2: every sign-in to it needs two factors; aal1: any will do').choices([
    'aal1',
    'aal2',
  ])

const tokensOption = () =>
  new Option(
    '--provider-tokens <names>',
    'whose tokens it may ask people for, with commas; none: nobody’s',
  ).argParser((value) =>
    value === 'none'
      ? []
      : value
          .split(',')
          .map((name) => name.trim())
          .filter(Boolean),
  )

/** `https://api.example.com orders:read orders:write`; without scopes: all of that API. */
function reach(value: string, before: NonNullable<ClientChanges['resources']> = []) {
  const [resource = '', ...scopes] = value.split(/\s+/).filter(Boolean)
  if (resource === 'none') return []
  return [...before, { resource, ...(scopes.length > 0 && { scopes }) }]
}

const served = (value: string, before: string[] = []): string[] =>
  value === 'none' ? [] : [...before, value]

const entryOptions = (command: Command): Command =>
  command
    .option(
      '--entry-role <role>',
      'only people of this role may enter, or of another one named so (repeatable); none: of any',
      served,
    )
    .option(
      '--entry-domain <domain>',
      'only people with a proven address at this domain, or below it as *.example.com (repeatable); none: at any',
      served,
    )

const GRANTS = ['authorization_code', 'refresh_token', 'client_credentials', 'device_code'] as const

function grant(value: string, before: string[] = []): string[] {
  if (value === 'none') return []
  if (!GRANTS.some((name) => name === value))
    throw new InvalidArgumentError(`must be one of ${GRANTS.join(', ')}.`)
  return [...before, value]
}

const reachOptions = (command: Command): Command =>
  command
    .option(
      '--resource <uri and scopes>',
      'an API it may get tokens for, such as "https://api.example.com orders:read"; without scopes: all of it (repeatable)',
      reach,
    )
    .option(
      '--serves <uri>',
      'the API that it is itself: it may introspect tokens for it (repeatable)',
      served,
    )

const securityOption = () =>
  new Option(
    '--security <level>',
    'how strictly it speaks: par (requests are pushed, with PKCE), dpop (and tokens are bound to its key), fapi2 (FAPI 2.0)',
  ).choices(['standard', 'par', 'dpop', 'fapi2'])

const METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const

/** A certificate as a key of an app, with itself (RFC 7517 section 4.7). */
const certified = ({ publicKey, raw }: X509Certificate): object => ({
  ...publicKey.export({ format: 'jwk' }),
  x5c: [raw.toString('base64')],
})

/** A JWK Set in a file, or certificates as PEM, each of which becomes a key. */
function keysIn(file: string): unknown {
  try {
    const text = readFileSync(file, 'utf8')
    const { certificates } = certificatesIn(text)
    return certificates.length > 0 ? { keys: certificates.map(certified) } : JSON.parse(text)
  } catch (error) {
    throw new CliError(`${file} cannot be read as JSON or as certificates: ${(error as Error).message}`)
  }
}

/** By which certificate it proves itself, and its tokens are used. */
const certificateOptions = (command: Command): Command =>
  command
    .option(
      '--certificate-subject <subject>',
      'whom its certificate is for (for tls_client_auth): dns:app.example.com, uri:…, ip:…, email:… or dn:CN=app,O=Example',
    )
    .option('--certificate-bound', 'its tokens are good with its certificate alone (in place of DPoP)')

const wholeMinutes = (value: string): number => {
  const minutes = Number(value)
  if (!Number.isInteger(minutes) || minutes < 0 || minutes > 5_256_000)
    throw new InvalidArgumentError('must be a whole number of minutes.')
  return minutes
}

const many = (value: string, before: string[] = []): string[] => [...before, value]

/** Only here can apps be let manage apps. */
export const BY = { actor: 'operator', hand: 'command_line' } as const

// ── a new one ────────────────────────────────────────────────────────────────

/** Options that mean the same of a new app and of one that is there. */
interface Shared {
  acr?: Level
  guests?: boolean
  entryRole?: string[]
  entryDomain?: string[]
  providerTokens?: string[]
  personalTokens?: boolean
  testClient?: boolean
  resource?: ClientChanges['resources']
  serves?: string[]
  sessionIdleMinutes?: number
  sessionMaxMinutes?: number
  jwks?: string
  jwksUri?: string
  certificateSubject?: string
  certificateBound?: boolean
  security?: Security
  json?: boolean
}

interface AddOptions extends Shared {
  id?: string
  name: string
  redirectUri?: string[]
  postLogoutRedirectUri?: string[]
  backchannelLogoutUri?: string
  backchannelLogoutSessionRequired?: boolean
  frontchannelLogoutUri?: string
  frontchannelLogoutSessionRequired?: boolean
  authMethod: NonNullable<NewClient['authMethod']>
  pairwise?: boolean
  signedRequests?: boolean
  grant?: string[]
  firstParty?: boolean
  pkce: boolean
  native?: boolean
  idTokenAlg?: string
  idTokenEncryption?: string
  userinfoEncryption?: string
  introspectionAlg?: string
  claimsInIdToken?: boolean
  logoUri?: string
  clientUri?: string
  policyUri?: string
  tosUri?: string
  supportUri?: string
  brandColor?: string
  welcomeEn?: string
  welcomeDe?: string
}

const introspects = ({ serves, personalTokens }: AddOptions): boolean =>
  serves !== undefined || personalTokens === true

async function add(options: AddOptions): Promise<void> {
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const input = {
      clientId: options.id,
      name: options.name,
      redirectUris: options.redirectUri,
      postLogoutRedirectUris: options.postLogoutRedirectUri,
      backchannelLogoutUri: options.backchannelLogoutUri,
      backchannelLogoutSessionRequired: options.backchannelLogoutSessionRequired,
      frontchannelLogoutUri: options.frontchannelLogoutUri,
      frontchannelLogoutSessionRequired: options.frontchannelLogoutSessionRequired,
      sessionIdleMinutes: options.sessionIdleMinutes,
      sessionMaxMinutes: options.sessionMaxMinutes,
      authMethod: options.authMethod,
      jwks: options.jwks && keysIn(options.jwks),
      jwksUri: options.jwksUri,
      certificateSubject: options.certificateSubject,
      certificateBound: options.certificateBound,
      security: options.security,
      pairwise: options.pairwise,
      signedRequests: options.signedRequests,
      // An API that only introspects needs nothing at the token endpoint.
      grants: options.grant ?? (introspects(options) && !options.redirectUri ? [] : undefined),
      firstParty: options.firstParty,
      pkce: options.pkce,
      native: options.native,
      idTokenAlg: options.idTokenAlg,
      idTokenEncryption: options.idTokenEncryption,
      userinfoEncryption: options.userinfoEncryption,
      introspectionAlg: options.introspectionAlg,
      claimsInIdToken: options.claimsInIdToken,
      acr: options.acr,
      guests: options.guests,
      entryRoles: options.entryRole,
      entryDomains: options.entryDomain,
      providerTokens: options.providerTokens,
      personalTokens: options.personalTokens,
      testClient: options.testClient,
      resources: options.resource,
      serves: options.serves,
      logoUri: options.logoUri,
      clientUri: options.clientUri,
      policyUri: options.policyUri,
      tosUri: options.tosUri,
      supportUri: options.supportUri,
      brandColor: options.brandColor,
      welcomeEn: options.welcomeEn,
      welcomeDe: options.welcomeDe,
    }
    const added = await clients.add(input as Parameters<typeof clients.add>[0], BY)
    if (!added.ok) throw refused(added.refusal, 'client')
    const { clientId, clientSecret } = added.value
    const { issuer } = env()
    if (options.json)
      return json({ clientId, ...(clientSecret && { clientSecret }), issuer, name: options.name })
    say(`Registered ${options.name}.\n`)
    facts([
      ['client_id', clientId],
      ...(clientSecret ? ([['client_secret', clientSecret]] as [string, unknown][]) : []),
      ['issuer', issuer],
    ])
    if (clientSecret)
      say('\nThe secret is shown this once: only its hash is kept. Put it into the app’s configuration.')
  })
}

// ── one that is there ────────────────────────────────────────────────────────

interface UpdateOptions extends Registered, Shared {
  grant?: ClientChanges['grants']
}

/** What is registered with an app, by the names of the options that change it. */
interface Registered {
  name?: string
  redirectUri?: string[]
  postLogoutRedirectUri?: string[]
  backchannelLogoutUri?: string | null
  backchannelLogoutSessionRequired?: boolean
  frontchannelLogoutUri?: string | null
  frontchannelLogoutSessionRequired?: boolean
  authMethod?: ClientChanges['authMethod']
  signedRequests?: boolean
  firstParty?: boolean
  pkce?: boolean
  native?: boolean
  idTokenAlg?: ClientChanges['idTokenAlg']
  idTokenEncryption?: ClientChanges['idTokenEncryption']
  userinfoEncryption?: ClientChanges['userinfoEncryption']
  introspectionAlg?: ClientChanges['introspectionAlg']
  claimsInIdToken?: boolean
  logoUri?: string | null
  clientUri?: string | null
  policyUri?: string | null
  tosUri?: string | null
  supportUri?: string | null
  brandColor?: string | null
  welcomeEn?: string | null
  welcomeDe?: string | null
}

const ENCRYPTIONS = 'ECDH-ES, ECDH-ES+A256KW or RSA-OAEP-256'
const MAY_BE_NONE = /(Uri|Encryption|^brandColor|^welcome(En|De))$/

/** `none` takes away an address, an encryption, and what the hosted pages wear and say. */
const unlessNone = (options: Registered): Registered =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      MAY_BE_NONE.test(name) && value === 'none' ? null : value,
    ]),
  )

/** The options of `client add` for an app that is there: what may be missing goes with `none`, a yes has its no. */
const registeredOptions = (command: Command): Command =>
  command
    .option('--name <name>', 'what people read on the hosted pages')
    .option(
      '--redirect-uri <uri>',
      'where sign-in returns to, in place of those before (repeatable); none',
      served,
    )
    .option(
      '--post-logout-redirect-uri <uri>',
      'where sign-out may return to, in place of those before (repeatable); none',
      served,
    )
    .option('--backchannel-logout-uri <uri>', 'gets a signed logout token when a session ends; none')
    .option('--backchannel-logout-session-required', 'the app needs sid in logout tokens')
    .option('--no-backchannel-logout-session-required', 'it does not')
    .option('--frontchannel-logout-uri <uri>', 'loaded in the browser at sign-out; none')
    .option('--frontchannel-logout-session-required', 'the app needs iss and sid there')
    .option('--no-frontchannel-logout-session-required', 'it does not')
    .addOption(new Option('--auth-method <method>', 'how the app proves itself').choices(METHODS))
    .option('--signed-requests', 'its requests are signed by its key (JAR)')
    .option('--no-signed-requests', 'they need not be')
    .option('--first-party', 'one of yours: no consent page')
    .option('--no-first-party', 'people are asked')
    .option('--pkce', 'require PKCE')
    .option('--no-pkce', 'do not (only for apps with a secret that cannot do it)')
    .option('--native', 'an installed app: private-use redirect schemes are allowed')
    .option('--no-native', 'it is none')
    .option('--id-token-alg <alg>', 'ES256, RS256 or EdDSA')
    .option('--id-token-encryption <alg>', `${ENCRYPTIONS}, to its key; none`)
    .option('--userinfo-encryption <alg>', `${ENCRYPTIONS}, to its key; none`)
    .option('--introspection-alg <alg>', 'ES256, RS256 or EdDSA, where it asks for signed answers')
    .option('--claims-in-id-token', 'put profile claims into the ID token')
    .option('--no-claims-in-id-token', 'leave them to userinfo')
    .option('--logo-uri <uri>', 'a picture for the hosted pages on the way to it; none')
    .option('--client-uri <uri>', 'its own page; none')
    .option('--policy-uri <uri>', 'its privacy policy; none')
    .option('--tos-uri <uri>', 'its terms; none')
    .option('--support-uri <uri>', 'where people get help with it; none')
    .option('--brand-color <colour>', 'of the hosted pages on the way to it, such as #3b5bdb; none')
    .option('--welcome-en <text>', 'a line that they say in English; none')
    .option('--welcome-de <text>', 'the same in German; none')

async function update(id: string, { json: asJson, ...options }: UpdateOptions): Promise<void> {
  const { acr, guests, providerTokens, personalTokens, sessionIdleMinutes, sessionMaxMinutes } = options
  if (Object.keys(options).length === 0)
    throw new CliError('Say what to change.', 'gatehouse client update --help names it all.')
  await withStores(async () => {
    const { clients } = await import('../oidc')
    const { grant: grants, resource: resources, redirectUri, postLogoutRedirectUri, ...rest } = options
    const { entryRole: entryRoles, entryDomain: entryDomains, jwks, ...others } = rest
    const changes = {
      ...unlessNone(others),
      ...(jwks && { jwks: jwks === 'none' ? null : (keysIn(jwks) as ClientChanges['jwks']) }),
      ...(redirectUri && { redirectUris: redirectUri }),
      ...(postLogoutRedirectUri && { postLogoutRedirectUris: postLogoutRedirectUri }),
      ...(grants && { grants }),
      ...(resources && { resources }),
      ...(entryRoles && { entryRoles }),
      ...(entryDomains && { entryDomains }),
      // 0 takes the limit away.
      ...(sessionIdleMinutes !== undefined && { sessionIdleMinutes: sessionIdleMinutes || null }),
      ...(sessionMaxMinutes !== undefined && { sessionMaxMinutes: sessionMaxMinutes || null }),
    }
    const changed = await clients.update(id, changes, BY)
    if (!changed.ok) throw refused(changed.refusal, 'client')
    if (asJson) return json({ clientId: id, ...changes })
    const plain = Object.keys(others).filter((name) => !TOLD.includes(name))
    if (redirectUri || postLogoutRedirectUri || plain.length > 0)
      say(`From now on that holds for ${id}. What there is now: gatehouse client show ${id}`)
    if (others.authMethod) say(secretWords(id, others.authMethod))
    if (options.security) say(`From now on ${id} is held to the level ${options.security}.`)
    const { jwks: keys, jwksUri } = changed.value
    if (jwksUri && options.jwksUri) say(`The keys of ${id} are read from ${jwksUri}.`)
    else if (jwks ?? options.jwksUri)
      say(`${id} has ${keys ? `the keys in ${jwks}` : 'no keys'} from now on.`)
    if (grants)
      say(
        `From now on ${id} may do ${grants.length > 0 ? `this and nothing else: ${grants.join(', ')}` : 'nothing at the token endpoint'}.`,
      )
    if (resources) say(reachWords(id, resources))
    if (options.serves) say(servesWords(id, options.serves))
    if (providerTokens) say(tokensWords(id, providerTokens))
    if (guests !== undefined) say(guestsWords(id, guests))
    if (entryRoles || entryDomains) say(entryWords(changed.value))
    if (personalTokens !== undefined)
      say(
        `${id} ${personalTokens ? 'may' : 'may not'} ask at introspection what personal access tokens are good for.`,
      )
    if (options.testClient !== undefined)
      say(`The clinic ${options.testClient ? 'may' : 'may not'} send bad tokens to ${id}.`)
    if (acr)
      say(
        acr === 'aal2'
          ? `From now on ${id} gets nothing from sign-ins without two factors; tokens from such sign-ins are dead.`
          : `${id} takes any sign-in.`,
      )
    if (sessionIdleMinutes !== undefined || sessionMaxMinutes !== undefined)
      say(`From now on these limits hold for sessions of ${id}, tokens it has already included.`)
  })
}

/** Changes that have a sentence of their own. */
const TOLD = [
  'acr',
  'guests',
  'providerTokens',
  'serves',
  'testClient',
  'sessionIdleMinutes',
  'sessionMaxMinutes',
  'authMethod',
]

function secretWords(id: string, method: string): string {
  if (method.startsWith('client_secret_'))
    return `${id} proves itself by a secret (${method}). If it has none yet: gatehouse client rotate-secret ${id}`
  const certificate = method.endsWith('tls_client_auth')
  const by = method === 'none' ? 'PKCE alone' : certificate ? 'its certificate' : 'its keys'
  return `${id} proves itself by ${by}; the secrets it had are dead.`
}

function reachWords(id: string, all: NonNullable<ClientChanges['resources']>): string {
  if (all.length === 0) return `${id} gets tokens for no API; those there are get no good answer here.`
  const said = all.map(({ resource, scopes }) => `${resource} (${scopes?.join(' ') ?? 'all scopes'})`)
  return `${id} gets tokens for ${said.join(', ')}.`
}

const servesWords = (id: string, all: string[]): string =>
  all.length > 0
    ? `${id} may introspect tokens for ${all.join(', ')}.`
    : `${id} introspects its own tokens alone.`

function guestsWords(id: string, guests: boolean): string {
  if (!guests) return `${id} takes nobody without an account; tokens of guests are dead.`
  return `Guests may use ${id}.${env().guests.on ? '' : ' They are not taken anywhere yet: set GUESTS=on.'}`
}

function entryWords({ clientId, entryRoles, entryDomains }: ClientView): string {
  const said = [
    ...(entryRoles.length > 0 ? [`one of the roles ${entryRoles.join(', ')}`] : []),
    ...(entryDomains.length > 0 ? [`a proven address at ${entryDomains.join(' or ')}`] : []),
  ]
  return said.length > 0
    ? `From now on ${clientId} lets in only people with ${said.join(' and ')}; tokens of anybody else are dead.`
    : `${clientId} lets everybody in.`
}

function tokensWords(id: string, providers: string[]): string {
  if (providers.length === 0) return `${id} gets nobody’s tokens of other providers.`
  const kept = env()
    .federation.providers.filter(({ keepTokens }) => keepTokens)
    .map((one) => one.id)
  const not = providers.filter((name) => !kept.includes(name))
  const off = env().providerTokens ? '' : ' Nobody gets any yet: set PROVIDER_TOKENS=on.'
  const missing =
    not.length > 0 ? ` Tokens of ${not.join(', ')} are not kept: see PROVIDER_…_KEEP_TOKENS.` : ''
  return `${id} may ask people for their tokens of ${providers.join(', ')}.${off}${missing}`
}

// ── the commands ─────────────────────────────────────────────────────────────

export function addCommand(client: Command): void {
  const adding = client
    .command('add')
    .description('register an app; prints its client_id and, this once, its client_secret')
    .requiredOption('--name <name>', 'what people read on the hosted pages')
    .option(
      '--redirect-uri <uri>',
      'where sign-in returns to, compared exactly (repeatable; needed by every app that people sign in to by a browser)',
      many,
    )
    .option('--post-logout-redirect-uri <uri>', 'where sign-out may return to (repeatable)', many)
    .option('--backchannel-logout-uri <uri>', 'gets a signed logout token when a session ends')
    .option(
      '--backchannel-logout-session-required',
      'the app needs sid in logout tokens (they always have it)',
    )
    .option(
      '--frontchannel-logout-uri <uri>',
      'loaded in the browser at sign-out, for apps with nothing better',
    )
    .option('--frontchannel-logout-session-required', 'the app needs iss and sid there (they always come)')
    .option(
      '--session-idle-minutes <minutes>',
      'its tokens end when the session is unused for so long',
      wholeMinutes,
    )
    .option('--session-max-minutes <minutes>', 'so long after a proof the app must ask anew', wholeMinutes)
    .addOption(
      new Option('--auth-method <method>', 'how the app proves itself; none for apps without a server')
        .choices(METHODS)
        .default('client_secret_basic'),
    )
    .option('--grant <grant>', `${GRANTS.join(', ')} (repeatable; default the first two)`, grant)
    .option('--jwks <file>', 'its public keys, a JWK Set in a file, or its certificate as PEM')
    .option('--jwks-uri <uri>', 'where its public keys are, in place of a file')
    .addOption(securityOption())
    .option('--signed-requests', 'its requests are signed by its key (JAR)')
    .option('--pairwise', 'it knows people by names that no other app knows; cannot be changed later')
    .option('--first-party', 'one of yours: no consent page')
    .option('--no-pkce', 'do not require PKCE (only for apps with a secret that cannot do it)')
    .option('--native', 'an installed app: private-use redirect schemes are allowed')
    .option('--id-token-alg <alg>', 'ES256, RS256 or EdDSA (default ES256)')
    .option('--id-token-encryption <alg>', `ID tokens that only its key can read: ${ENCRYPTIONS}`)
    .option('--userinfo-encryption <alg>', `userinfo that only its key can read: ${ENCRYPTIONS}`)
    .option(
      '--introspection-alg <alg>',
      'the same for answers of introspection, where it asks for signed ones (RFC 9701)',
    )
    .option('--claims-in-id-token', 'put profile claims into the ID token (for apps that skip userinfo)')
    .addOption(acrOption())
    .option('--guests', 'people may use it without an account (where GUESTS=on)')
    .addOption(tokensOption())
  certificateOptions(reachOptions(entryOptions(adding)))
    .option('--personal-tokens', 'an API: it may introspect people’s personal access tokens')
    .option('--test-client', 'nobody uses it: the clinic may send it bad tokens')
    .option('--logo-uri <uri>', 'a picture for the hosted pages on the way to it')
    .option('--client-uri <uri>', 'its own page, linked to on the consent page')
    .option('--policy-uri <uri>', 'its privacy policy, linked to on the hosted pages')
    .option('--tos-uri <uri>', 'its terms, linked to there')
    .option('--support-uri <uri>', 'where people get help with it, linked to there')
    .option('--brand-color <colour>', 'of the hosted pages on the way to it, such as #3b5bdb')
    .option('--welcome-en <text>', 'a line that they say in English')
    .option('--welcome-de <text>', 'the same in German')
    .option('--id <client_id>', 'choose the client_id (default: random)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ gatehouse client add --name "My app" --redirect-uri http://localhost:8080/callback',
    )
    .action(add)
}

export function updateCommand(client: Command): void {
  registeredOptions(certificateOptions(reachOptions(entryOptions(client.command('update')))))
    .option('--no-certificate-bound', 'they are good without')
    .argument('<client_id>')
    .description(
      'change what an app is registered with, from the next request on; judged as a new one would be',
    )
    .addOption(acrOption())
    .option(
      '--grant <grant>',
      'all that it may do from now on (repeatable); none, for an API that only introspects',
      grant,
    )
    .option(
      '--jwks <file>',
      'its public keys, a JWK Set in a file, or its certificate as PEM, in place of those before; none',
    )
    .option('--jwks-uri <uri>', 'where its public keys are, in place of a file; none')
    .addOption(securityOption())
    .option('--guests', 'people may use it without an account (where GUESTS=on)')
    .addOption(tokensOption())
    .option('--personal-tokens', 'an API: it may introspect people’s personal access tokens')
    .option('--no-personal-tokens', 'it may not')
    .option('--test-client', 'nobody uses it: the clinic may send it bad tokens')
    .option('--no-test-client', 'it may not')
    .option('--no-guests', 'nobody without an account may use it')
    .option(
      '--session-idle-minutes <minutes>',
      'its tokens end when the session is unused for so long; 0: no limit',
      wholeMinutes,
    )
    .option(
      '--session-max-minutes <minutes>',
      'so long after a proof the app must ask anew; 0: no limit',
      wholeMinutes,
    )
    .option('--json', 'print JSON')
    .action(update)
}
