/**
 * Every Redis key and channel of the house: its name, its life, and what its loss means
 * (docs/redis-keys.md is checked against this table). One key a command, so Redis Cluster works.
 * What must survive or be listed is in Postgres, never here alone.
 */
interface KeySpec {
  /** Its name; `{…}` are the parts that `key()` fills in. */
  pattern: string
  type: 'string' | 'hash' | 'list' | 'set' | 'stream'
  /** Seconds to live; null: as its writer says. */
  ttlSeconds: number | null
  holds: string
  ifLost: string
}

export const KEYS = {
  sessionValid: {
    pattern: 'session:valid:{sessionId}',
    type: 'string',
    ttlSeconds: 300,
    holds: 'the facts of a live session as JSON, or "revoked"',
    ifLost: 'read again from Postgres',
  },
  sessionEpoch: {
    pattern: 'session:epoch:{userId}',
    type: 'string',
    ttlSeconds: 600,
    holds: 'the sessionVersion below which every session of the user is over',
    ifLost: 'what Redis remembers of such sessions may live until its own end; Postgres says they are over',
  },
  draft: {
    pattern: 'draft:{sessionId}:{page}',
    type: 'string',
    ttlSeconds: 900,
    holds: 'what was typed into a form before the person had to prove themselves again, sealed; no secret',
    ifLost: 'the person fills the form in again',
  },
  loginAttempt: {
    pattern: 'login_attempt:{loginToken}',
    type: 'string',
    ttlSeconds: null,
    holds: 'a running login attempt: its proofs and where it returns to, sealed',
    ifLost: 'the person starts the sign-in again',
  },
  passkeyAuth: {
    pattern: 'passkey_auth:{loginToken}',
    type: 'string',
    ttlSeconds: 300,
    holds: 'SHA-256 of the challenge that a passkey is to sign, what for, and whose it must be',
    ifLost: 'the browser asks for another challenge',
  },
  passkeyRegistration: {
    pattern: 'passkey_registration:{userId}',
    type: 'string',
    ttlSeconds: 300,
    holds: 'SHA-256 of the challenge of a passkey that is being added, which kind, and who asked',
    ifLost: 'the person begins to add it again',
  },
  rateLimit: {
    pattern: 'ratelimit:{ip}',
    type: 'string',
    ttlSeconds: null,
    holds: 'leaky bucket of a client address (theoretical arrival time in milliseconds)',
    ifLost: 'the bucket is full again; budgets that guard secrets are in Postgres',
  },
  rateLimitNamed: {
    pattern: 'ratelimit:{name}:{subject}',
    type: 'string',
    ttlSeconds: null,
    holds: 'leaky bucket of anything else that costs (a recipient, a client)',
    ifLost: 'the bucket is full again',
  },
  emailVerification: {
    pattern: 'email_verification:{userId}',
    type: 'hash',
    ttlSeconds: 600,
    holds: 'HMAC of the newest code sent by mail, wrong tries so far',
    ifLost: 'the person asks for a new code',
  },
  emailSignIn: {
    pattern: 'email_sign_in:{loginToken}',
    type: 'hash',
    ttlSeconds: 600,
    holds: 'HMAC of the newest sign-in code that this attempt had sent by mail, wrong tries so far',
    ifLost: 'the person asks for a new code',
  },
  phoneSignIn: {
    pattern: 'phone_sign_in:{loginToken}',
    type: 'hash',
    ttlSeconds: 600,
    holds: 'HMAC of the newest sign-in code that this attempt had sent by text message, wrong tries so far',
    ifLost: 'the person asks for a new code',
  },
  emailSecond: {
    pattern: 'email_second:{userId}',
    type: 'hash',
    ttlSeconds: 600,
    holds: 'HMAC of the newest code sent by mail for the second step of a sign-in, wrong tries so far',
    ifLost: 'the person asks for a new code',
  },
  phoneSecond: {
    pattern: 'phone_second:{userId}',
    type: 'hash',
    ttlSeconds: 600,
    holds:
      'HMAC of the newest code sent by text message for the second step of a sign-in, wrong tries so far',
    ifLost: 'the person asks for a new code',
  },
  rehearsal: {
    pattern: 'rehearsal:{userId}',
    type: 'hash',
    ttlSeconds: 600,
    holds: 'HMAC of the code of a rehearsed recovery, wrong tries so far',
    ifLost: 'the person asks for a new code',
  },
  phoneVerification: {
    pattern: 'phone_verification:{userId}',
    type: 'hash',
    ttlSeconds: 600,
    holds: 'HMAC of the newest code sent to a number that is being confirmed, wrong tries so far',
    ifLost: 'the person asks for a new code',
  },
  pendingRegistration: {
    pattern: 'pending_registration:{userId}',
    type: 'hash',
    ttlSeconds: 900,
    holds:
      'the secret of an authenticator app that is being set up, sealed, and the tries to confirm it so far',
    ifLost: 'the person starts the set-up again, with another picture',
  },
  smsTrouble: {
    pattern: 'sms:trouble',
    type: 'string',
    ttlSeconds: 600,
    holds: 'since when (ISO 8601) the SMS driver takes no messages, and what it said last',
    ifLost: 'pages offer SMS as usual until the next failure',
  },
  oidcArtifact: {
    pattern: 'oidc:{model}:{hash}',
    type: 'string',
    ttlSeconds: null,
    holds:
      'a code, access token, interaction, pushed request or device that waits as JSON behind a used-flag, or that an assertion or proof was used; named by SHA-256, a short code by its HMAC',
    ifLost:
      'codes and access tokens are dead, browsers and devices start again; a signed assertion could be shown once more within its minutes; refresh tokens live on',
  },
  oidcRevoked: {
    pattern: 'oidc:revoked:{grantId}',
    type: 'hash',
    ttlSeconds: null,
    holds:
      'which token families of a consent are revoked (`*`: all), for as long as an access token can live',
    ifLost: 'the access tokens it speaks of are lost with it; the rows in Postgres say the same',
  },
  clientLog: {
    pattern: 'client_log:{clientId}',
    type: 'list',
    ttlSeconds: 604_800,
    holds: 'why the newest 100 requests of an app were refused, for its developers; no token, no secret',
    ifLost: 'the list begins anew; the server log has the same',
  },
  clinic: {
    pattern: 'clinic:{clientId}',
    type: 'string',
    ttlSeconds: 2_592_000,
    holds: 'the newest report of `gatehouse clinic` on an app: outcomes alone, no token, no secret',
    ifLost: 'the command is run again',
  },
  oidcInvitation: {
    pattern: 'oidc:invitation:{hash}',
    type: 'string',
    ttlSeconds: null,
    holds: 'an initial access token that is not used yet; named by SHA-256',
    ifLost: 'the operator makes another one',
  },
  oauthState: {
    pattern: 'oauth_state:{state}',
    type: 'string',
    ttlSeconds: 600,
    holds: 'a round trip to another provider: what it is for, where it returns to, its check values, sealed',
    ifLost: 'the person begins again',
  },
  oauthStatePosted: {
    pattern: 'oauth_state:apple:{state}',
    type: 'string',
    ttlSeconds: 600,
    holds: 'the same for a provider that posts its answer from its own page; the answer too, once it came',
    ifLost: 'the person begins again',
  },
  oauthRefresh: {
    pattern: 'oauth_refresh:{accountId}',
    type: 'string',
    ttlSeconds: 15,
    holds: 'who refreshes the tokens of a linked account just now',
    ifLost: 'two refresh at once, and one of them may be refused by the provider',
  },
  oauthLogout: {
    pattern: 'oauth_logout:{provider}:{hash}',
    type: 'string',
    ttlSeconds: 900,
    holds: 'nothing: that a logout token of a provider was used; named by the SHA-256 of its `jti`',
    ifLost: 'a logout token that is still good ends sessions once more',
  },
  ready: {
    pattern: 'ready',
    type: 'string',
    ttlSeconds: 300,
    holds: 'nothing: whether it can be written is what `/readyz` wants to know',
    ifLost: 'nothing',
  },
  mailbox: {
    pattern: 'dev:mailbox',
    type: 'list',
    ttlSeconds: 604_800,
    holds: 'the development mailbox: the newest 200 messages',
    ifLost: 'old development mail is gone',
  },
} as const satisfies Record<string, KeySpec>

export type KeyName = keyof typeof KEYS

/** Fills in a key's pattern: `key('sessionValid', sid)`. Parts must not be empty. */
export function key(name: KeyName, ...parts: string[]): string {
  let index = 0
  return KEYS[name].pattern.replace(/\{[^}]+\}/g, () => {
    const part = parts[index++]
    if (!part) throw new Error(`key ${name} lacks a part`)
    return part
  })
}

/** Channels; other services may subscribe. Payloads are JSON without secrets, published after commit. */
export const CHANNELS = {
  userCreated: 'user:created',
  userUpdated: 'user:updated',
  sessionCreated: 'session:created',
  sessionRevoked: 'session:revoked',
  /** Internal: a cached row changed; payload { kind, id }. */
  cacheDrop: 'cache:drop',
} as const

export type Channel = (typeof CHANNELS)[keyof typeof CHANNELS]
