/**
 * The bare oidc-provider library behind Node's HTTP server, set up as the portal sets it up where that
 * makes work (PKCE required, ES256, rotation, the same scopes and claims), with no durable store, no
 * policy of ours and people who agree to everything at once.
 *
 * env: CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, API; REDIS_URL and REDIS_PREFIX for the Redis adapter.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'
import { redisAdapter } from './redis-adapter.mjs'

const { CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, API, REDIS_URL, REDIS_PREFIX } = process.env
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })

const claimsOf = (sub) => ({
  sub,
  name: 'Bench Person',
  given_name: 'Bench',
  family_name: 'Person',
  locale: 'en',
  updated_at: 1_800_000_000,
  email: `${sub}@example.com`,
  email_verified: true,
})

function makeProvider(issuer) {
  const provider = new Provider(issuer, {
    ...(REDIS_URL && { adapter: redisAdapter(REDIS_URL, REDIS_PREFIX) }),
    jwks: { keys: [{ ...key, alg: 'ES256', use: 'sig', kid: 'bench' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        redirect_uris: [REDIRECT_URI],
        grant_types: [
          'authorization_code',
          'refresh_token',
          'client_credentials',
          'urn:ietf:params:oauth:grant-type:device_code',
        ],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    scopes: ['openid', 'offline_access'],
    claims: {
      openid: ['sub', 'acr', 'amr', 'auth_time'],
      profile: ['name', 'given_name', 'family_name', 'picture', 'locale', 'zoneinfo', 'updated_at'],
      email: ['email', 'email_verified'],
    },
    responseTypes: ['code'],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true, mask: '****-****' },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: () => ({
          audience: API,
          scope: 'bench:read',
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: async () => claimsOf(sub) }),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: {
      AccessToken: 900,
      AuthorizationCode: 60,
      ClientCredentials: 900,
      DeviceCode: 600,
      IdToken: 3600,
      Interaction: 3600,
      Session: 2_592_000,
      Grant: 2_592_000,
      RefreshToken: 2_592_000,
    },
  })
  return provider
}

/** Whoever comes to a question has signed in and agreed; a person for each browser. */
async function agree(provider, req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res)
  const accountId = session?.accountId ?? `person-${randomBytes(6).toString('hex')}`
  const result = {}
  if (prompt.name === 'login') result.login = { accountId, amr: ['pwd'], acr: 'aal1' }
  else {
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId, clientId: params.client_id })
    grant.addOIDCScope(params.scope)
    result.consent = { grantId: await grant.save() }
  }
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true })
}

const server = createServer()
server.keepAliveTimeout = 65_000
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = makeProvider(issuer)
  const callback = provider.callback()
  server.on('request', (req, res) => {
    if (!req.url.startsWith('/interaction/')) return callback(req, res)
    agree(provider, req, res).catch((error) => {
      res.writeHead(500)
      res.end(String(error.stack))
    })
  })
  process.send({ origin: issuer })
})
process.on('disconnect', () => process.exit())
