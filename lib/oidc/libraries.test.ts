/** Unchanged client libraries: openid-client, oauth4webapi, next-auth, passport-openidconnect (OP1). */
import { createRequire } from 'node:module'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../scripts/free-port.mjs'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import { newApp, refresh } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { startNextAuth } from './testing/next-auth'
import { newUser } from './testing/people'

const stores = useStores()
const AFTER = 'http://localhost:4999/bye'
let portal: Portal
let user: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  return () => portal.stop()
})

/** Lets a person walk to where the app gets its answer. */
async function walk(browser: Browser, start: URL): Promise<URL> {
  let at = await browser.go(start)
  if (at.url.pathname === '/signin/start') at = await browser.signIn(user, at)
  if (at.url.pathname === '/consent') at = await browser.allow(at)
  return at.url
}

describe.each(['client_secret_basic', 'client_secret_post', 'none'] as const)(
  'openid-client with %s',
  (authMethod) => {
    it.each(['ES256', 'RS256', 'EdDSA'] as const)(
      'signs in, refreshes, reads, introspects, revokes and signs out (%s)',
      async (idTokenAlg) => {
        const app = await newApp({ authMethod, idTokenAlg, postLogoutRedirectUris: [AFTER] })
        const auth = {
          client_secret_basic: client.ClientSecretBasic(app.clientSecret),
          client_secret_post: client.ClientSecretPost(app.clientSecret),
          none: client.None(),
        }[authMethod]
        const config = await client.discovery(
          new URL(portal.issuer),
          app.clientId,
          { id_token_signed_response_alg: idTokenAlg },
          auth,
          { execute: [client.allowInsecureRequests] },
        )
        const pkceCodeVerifier = client.randomPKCECodeVerifier()
        const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()]
        const start = client.buildAuthorizationUrl(config, {
          redirect_uri: app.redirectUri,
          scope: 'openid profile email',
          code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
          code_challenge_method: 'S256',
          state: expectedState,
          nonce: expectedNonce,
        })
        const browser = new Browser(portal)
        const landed = await walk(browser, start)
        const tokens = await client.authorizationCodeGrant(config, landed, {
          pkceCodeVerifier,
          expectedState,
          expectedNonce,
          idTokenExpected: true,
        })
        expect(tokens.claims()?.sub).toBe(user)
        const info = await client.fetchUserInfo(config, tokens.access_token, user)
        expect(info.name).toBe('Ada Lovelace')
        const next = await client.refreshTokenGrant(config, tokens.refresh_token ?? '')
        expect(next.claims()?.sub).toBe(user)
        if (authMethod !== 'none')
          expect((await client.tokenIntrospection(config, next.access_token)).active).toBe(true)
        await client.tokenRevocation(config, next.refresh_token ?? '')
        await expect(client.refreshTokenGrant(config, next.refresh_token ?? '')).rejects.toThrow()
        await expect(client.fetchUserInfo(config, next.access_token, user)).rejects.toThrow()
        const end = client.buildEndSessionUrl(config, {
          id_token_hint: next.id_token ?? '',
          post_logout_redirect_uri: AFTER,
        })
        expect((await browser.go(end)).url.href).toBe(AFTER)
      },
    )
  },
)

describe('openid-client', () => {
  it('pushes its authorization request (PAR), once', async () => {
    const app = await newApp()
    const config = await client.discovery(
      new URL(portal.issuer),
      app.clientId,
      {},
      client.ClientSecretBasic(app.clientSecret),
      { execute: [client.allowInsecureRequests] },
    )
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const start = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: app.redirectUri,
      scope: 'openid',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    expect([...start.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    const browser = new Browser(portal)
    const tokens = await client.authorizationCodeGrant(config, await walk(browser, start), {
      pkceCodeVerifier,
    })
    expect(tokens.access_token).toBeTruthy()
    const again = await browser.go(start)
    expect(again.url.searchParams.get('code')).toBeNull()
  })
})

describe('oauth4webapi', () => {
  const insecure = { [oauth.allowInsecureRequests]: true }

  it.each(['oidc', 'oauth2'] as const)(
    'discovers by the rules of %s and completes the flow',
    async (algorithm) => {
      const app = await newApp()
      const issuer = new URL(portal.issuer)
      const as = await oauth.processDiscoveryResponse(
        issuer,
        await oauth.discoveryRequest(issuer, { algorithm, ...insecure }),
      )
      const me: oauth.Client = { client_id: app.clientId, id_token_signed_response_alg: 'ES256' }
      const auth = oauth.ClientSecretBasic(app.clientSecret ?? '')
      const verifier = oauth.generateRandomCodeVerifier()
      const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
      const start = new URL(as.authorization_endpoint ?? '')
      start.search = new URLSearchParams({
        client_id: app.clientId,
        redirect_uri: app.redirectUri,
        response_type: 'code',
        scope: 'openid email',
        state,
        nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }).toString()
      const params = oauth.validateAuthResponse(as, me, await walk(new Browser(portal), start), state)
      const answered = await oauth.authorizationCodeGrantRequest(
        as,
        me,
        auth,
        params,
        app.redirectUri,
        verifier,
        insecure,
      )
      const tokens = await oauth.processAuthorizationCodeResponse(as, me, answered, {
        expectedNonce: nonce,
        requireIdToken: true,
      })
      await oauth.validateApplicationLevelSignature(as, answered, insecure)
      expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(user)
      const info = await oauth.processUserInfoResponse(
        as,
        me,
        user,
        await oauth.userInfoRequest(as, me, tokens.access_token, insecure),
      )
      expect(info.email_verified).toBe(true)
      const refreshed = await oauth.refreshTokenGrantRequest(
        as,
        me,
        auth,
        tokens.refresh_token ?? '',
        insecure,
      )
      expect((await oauth.processRefreshTokenResponse(as, me, refreshed)).access_token).toBeTruthy()
      const introspected = await oauth.introspectionRequest(as, me, auth, tokens.access_token, insecure)
      expect((await oauth.processIntrospectionResponse(as, me, introspected)).active).toBe(true)
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, me, auth, tokens.access_token, insecure),
      )
      const after = await oauth.introspectionRequest(as, me, auth, tokens.access_token, insecure)
      expect((await oauth.processIntrospectionResponse(as, me, after)).active).toBe(false)
    },
  )
})

describe('next-auth 4', () => {
  it('signs in with nothing but our discovery document', async () => {
    const port = await freePort()
    const app = await newApp({
      redirectUris: [`http://127.0.0.1:${port}/api/auth/callback/gatehouse`],
      idTokenAlg: 'RS256',
      claimsInIdToken: true,
    })
    const options = () => ({
      secret: 'next-auth-test-secret',
      providers: [
        {
          id: 'gatehouse',
          name: 'Gatehouse',
          type: 'oauth',
          wellKnown: `${portal.issuer}/.well-known/openid-configuration`,
          authorization: { params: { scope: 'openid profile email' } },
          idToken: true,
          checks: ['pkce', 'state', 'nonce'],
          clientId: app.clientId,
          clientSecret: app.clientSecret,
          profile: (claims: { sub: string; name: string; email: string }) => ({
            id: claims.sub,
            name: claims.name,
            email: claims.email,
          }),
        },
      ],
      callbacks: {
        session: ({ session, token }: { session: { user: object }; token: { sub: string } }) => ({
          ...session,
          user: { ...session.user, id: token.sub },
        }),
      },
    })
    const nextAuth = await startNextAuth(port, options)
    try {
      expect(await nextAuth.signIn('gatehouse', (start) => walk(new Browser(portal), start))).toMatchObject({
        id: user,
        name: 'Ada Lovelace',
        email: expect.stringContaining('@example.com'),
      })
    } finally {
      nextAuth.close()
    }
  })
})

interface PassportProfile {
  id: string
  displayName: string
  emails?: { value: string }[]
}

describe('passport-openidconnect', () => {
  it('signs in without PKCE, and learns of the end by a refresh that fails', async () => {
    const require = createRequire(import.meta.url)
    const { Passport } = require('passport')
    const Strategy = require('passport-openidconnect')
    const app = await newApp({ pkce: false })
    let refreshToken = ''
    const settings = {
      issuer: portal.issuer,
      authorizationURL: `${portal.issuer}/auth`,
      tokenURL: `${portal.issuer}/token`,
      userInfoURL: `${portal.issuer}/userinfo`,
      clientID: app.clientId,
      clientSecret: app.clientSecret,
      callbackURL: app.redirectUri,
      scope: ['profile', 'email'],
      nonce: true,
      skipUserProfile: false,
    }
    const passport = new Passport().use(
      'gatehouse',
      new Strategy(
        settings,
        // It counts the parameters.
        (
          _issuer: string,
          profile: PassportProfile,
          _context: object,
          _idToken: string,
          _accessToken: string,
          token: string,
          verified: (error: null, user: PassportProfile) => void,
        ) => {
          refreshToken = token
          verified(null, profile)
        },
      ),
    )
    // What a framework would bring: the query, and a session of the browser.
    const session = {}
    const ask = (url: string) =>
      new Promise<{ location?: string; user?: PassportProfile | undefined }>((done, fail) => {
        const query = Object.fromEntries(new URL(url, app.redirectUri).searchParams)
        const req: { user?: PassportProfile; [name: string]: unknown } = {
          method: 'GET',
          url,
          headers: {},
          query,
          session,
        }
        const res = {
          setHeader: (_: string, location: string) => done({ location }),
          end: () => fail(new Error('no')),
        }
        const next = (error?: Error) => (error ? fail(error) : done({ user: req.user }))
        passport.authenticate('gatehouse', { session: false })(req, res, next)
      })
    const { location = '' } = await ask('/login')
    const landed = await walk(new Browser(portal), new URL(location))
    const { user: signedIn } = await ask(landed.pathname + landed.search)
    expect(signedIn).toMatchObject({ id: user, displayName: 'Ada Lovelace' })
    expect(signedIn?.emails?.[0]?.value).toContain('@example.com')
    await expect(ask(landed.pathname + landed.search)).rejects.toThrow()
    const next = await refresh(portal, app, refreshToken)
    expect(next.status).toBe(200)
    await sessions.revoke({ userId: user, all: true }, { reason: 'test' })
    expect((await refresh(portal, app, next.json.refresh_token)).json.error).toBe('invalid_grant')
  })
})
