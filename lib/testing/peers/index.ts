/**
 * Other providers on loopback, for tests of rooms and for journeys in a browser:
 * `const peer = await new OpenidPeer({ name, person, redirectUris: [...] }).start()`.
 * `peers.env(...)` has the variables that make a portal sign people in with them.
 */
import { exportPKCS8, generateKeyPair } from 'jose'
import { ApplePeer } from './apple'
import { GithubPeer } from './github'
import { GooglePeer, MicrosoftPeer, OpenidPeer } from './openid'
import type { PeerPerson } from './peer'

export type { GithubEmail } from './github'
export type { Bend, Endpoint, PeerPerson } from './peer'
export { ApplePeer, GithubPeer, GooglePeer, MicrosoftPeer, OpenidPeer }

/** Somebody with an account everywhere. */
export const ADA: PeerPerson = {
  sub: '1815121018521127',
  name: 'Ada Lovelace',
  given_name: 'Ada',
  family_name: 'Lovelace',
  email: 'ada@gmail.com',
  email_verified: true,
  locale: 'en-GB',
  login: 'ada',
  tid: '72f988bf-86f1-41af-91ab-2d7cd011db47',
  oid: '2f1c8c5e-1111-4222-8333-444455556666',
}

/** One provider of each kind, and the variables of a portal that knows them all. */
export interface Peers {
  google: GooglePeer
  github: GithubPeer
  microsoft: MicrosoftPeer
  apple: ApplePeer
  acme: OpenidPeer
  all: (GooglePeer | GithubPeer | MicrosoftPeer | ApplePeer | OpenidPeer)[]
  env: Record<string, string>
  stop: () => Promise<void>
}

/** @param origin of the portal, as GATEHOUSE_URL has it */
export async function startPeers(origin: string): Promise<Peers> {
  const at = (id: string) => ({ redirectUris: [`${origin}/api/auth/callback/${id}`], person: { ...ADA } })
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const team = { teamId: 'TEAM123456', keyId: 'KEY1234567', publicKey }
  const google = await new GooglePeer({ name: 'Google', ...at('google') }).start()
  const github = await new GithubPeer({ name: 'GitHub', ...at('github') }).start()
  const microsoft = await new MicrosoftPeer({ name: 'Microsoft', ...at('microsoft') }).start()
  const apple = await new ApplePeer({ name: 'Apple', ...at('apple'), ...team }).start()
  const acme = await new OpenidPeer({ name: 'Acme', ...at('acme') }).start()
  const all = [google, github, microsoft, apple, acme]
  const client = (prefix: string, peer: { clientId: string; clientSecret: string }) => ({
    [`PROVIDER_${prefix}_CLIENT_ID`]: peer.clientId,
    [`PROVIDER_${prefix}_CLIENT_SECRET`]: peer.clientSecret,
  })
  return {
    google,
    github,
    microsoft,
    apple,
    acme,
    all,
    env: {
      PROVIDERS: 'google,github,microsoft,apple,acme',
      ...client('GOOGLE', google),
      PROVIDER_GOOGLE_ISSUER: google.url,
      ...client('GITHUB', github),
      PROVIDER_GITHUB_URL: github.url,
      ...client('MICROSOFT', microsoft),
      PROVIDER_MICROSOFT_URL: microsoft.url,
      PROVIDER_APPLE_CLIENT_ID: apple.clientId,
      PROVIDER_APPLE_ISSUER: apple.url,
      PROVIDER_APPLE_TEAM_ID: team.teamId,
      PROVIDER_APPLE_KEY_ID: team.keyId,
      PROVIDER_APPLE_PRIVATE_KEY: (await exportPKCS8(privateKey)).trim().replaceAll('\n', '\\n'),
      ...client('ACME', acme),
      PROVIDER_ACME_TYPE: 'oidc',
      PROVIDER_ACME_NAME: 'Acme',
      PROVIDER_ACME_ISSUER: acme.url,
    },
    stop: async () => {
      await Promise.all(all.map((peer) => peer.stop()))
    },
  }
}
