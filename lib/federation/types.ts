/** What the room hands in and out. Pure. */
import type { Refusal } from '../base/refusals'

/** A provider as pages may know it: no secret, no address of its own. */
export interface ProviderView {
  /** As the operator named it in PROVIDERS; stands in URLs and in the table of linked accounts. */
  id: string
  /** Shown to people: "Google", "Acme staff". */
  name: string
  /** `oidc`: says who somebody is in a signed ID token. `oauth`: asked by an API of its own. */
  kind: 'oidc' | 'oauth'
  /** Whose mark belongs on the button: `google`, `github`, `microsoft`, `apple`, a name of next-auth's; null: none. */
  brand: string | null
  /** Somebody unknown may become a person of ours by it. */
  signUp: boolean
  /** It may know how to end its own session (RP-initiated logout); `endSessionUrl` says whether it does. */
  logout: boolean
  /** Its tokens are kept, and relying apps may have them. */
  keepsTokens: boolean
}

/** What a round trip is for, and who must be there at its end. Kept on the server, never in a URL. */
export type Purpose =
  /** `flow`: the login attempt that it is a proof for. */
  | { purpose: 'sign_in'; flow: string }
  /** `userId`, `sid`: the session that wants to link; the one at the end must be the same. */
  | { purpose: 'link'; userId: string; sid: string }

export type Context = Purpose & {
  provider: string
  /** Where the browser goes when all is done, or when it did not work out. A path of ours, judged at the beginning. */
  returnTo: string
}

/** What a provider said of somebody. Travels in the login attempt (sealed there); JSON all through. */
export interface Identity {
  provider: string
  /** Whose word it is: the issuer of the ID token, or the origin of an OAuth provider's API. */
  issuer: string
  /** The person there. With provider and issuer the only thing that an account is known by (LNK1). */
  subject: string
  /** Normalised as the room `users` does; null when there is none, or none that is an address. */
  email: string | null
  /**
   * The provider vouches for the address, and is one that may: a strict `true`, by the rules of that provider.
   * False never matches anybody (LNK2), and asks for a code by mail at a sign-up.
   */
  emailVerified: boolean
  firstName: string | null
  lastName: string | null
  displayName: string | null
  /** A language of the house, or null. */
  locale: string | null
  /** Its address at the provider; nothing is fetched. */
  picture: string | null
  /** Roles by the operator's mapping of claims; null: the operator maps none, and nothing is to change. */
  roles: string[] | null
  /** When the person last proved who they are there (`auth_time`), in milliseconds since the epoch; null: not said. */
  authAt: number | null
  /** The provider's own session (`sid`): what a back-channel logout may name. */
  sessionId: string | null
  /** Access and refresh token, sealed for this identity; null where tokens are not kept. */
  tokens: string | null
}

/** The end of a round trip. On a refusal `context` says where the browser belongs, when that could be told. */
export type Outcome =
  | { ok: true; context: Context; identity: Identity; setCookies: string[] }
  | { ok: false; context: Context | null; refusal: Refusal; setCookies: string[] }

/** A linked account as its owner sees it. */
export interface AccountView {
  id: string
  /** Of a provider that is no longer configured, too: it can still be unlinked. */
  provider: string
  subject: string
  email: string | null
  displayName: string | null
  linkedAt: Date
  lastUsedAt: Date | null
  /** Tokens of it are kept here. */
  keepsTokens: boolean
}

/** Whose account it is. */
export interface AccountOwner {
  id: string
  userId: string
}

/** An access token of a provider, good now. */
export interface ProviderToken {
  accessToken: string
  tokenType: string
  scope: string | null
  /** Milliseconds since the epoch; null: the provider did not say. */
  expiresAt: number | null
}

/** What a provider says is over (OpenID Connect Back-Channel Logout 1.0). */
export interface ProviderLogout {
  provider: string
  /** The linked account it is about; null when the token names only a session, or nobody we know. */
  account: AccountOwner | null
  /** The provider's session that ended; null: all of the person's. */
  sessionId: string | null
}
