/**
 * Configuration: one schema, read once from the environment. A wrong value refuses to boot with a
 * sentence that names the variable and says how to mend it.
 */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import path from 'node:path'
import proxyaddr from 'proxy-addr'
import { z } from 'zod'
import './can-parse'
import { type CertificateSettings, certificatesShape, readCertificates } from './env-certificates'
import { factorsShape, readFactors, type SecondFactorSettings, type SignInMethod } from './env-factors'
import { type FederationSettings, federationShape, readFederation } from './env-federation'
import { type GuestSettings, guestsShape, readGuests } from './env-guests'
import { type RegistrationSettings, readRegistration, registrationShape } from './env-registration'
import { readRoleLimits, roleLimits, type SessionLimits } from './env-sessions'
import { readSms, type SmsSettings, smsShape } from './env-sms'
import { count, flag, whole } from './env-values'

export type { CertificateSettings } from './env-certificates'
export type { SecondFactorSettings, SecondMethod, SignInMethod, StrongMethod } from './env-factors'
export type { FederationSettings, Mapped, ProviderSettings } from './env-federation'
export type { GuestSettings } from './env-guests'
export type { RegistrationSettings } from './env-registration'
export type { SessionLimits } from './env-sessions'
export type { SmsSettings } from './env-sms'

/** Browsers need not look at more than five different names (WebAuthn section 5.11.1). */
const MAX_WEBAUTHN_ORIGINS = 5

const origin = z.string().transform((value, ctx) => {
  const url = URL.canParse(value) ? new URL(value) : null
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.pathname !== '/' ||
    url.search ||
    url.hash ||
    url.username
  ) {
    ctx.addIssue({
      code: 'custom',
      message: 'must be an origin such as https://id.example.com, without a path',
    })
    return z.NEVER
  }
  return url.origin
})

/** Other origins: https, or http on this machine. Where passkeys work must not be misspelt. */
const origins = z
  .string()
  .default('')
  .refine(
    (value) => {
      const list = names(value).map((name) => origin.safeParse(name).data)
      return (
        list.length <= MAX_WEBAUTHN_ORIGINS &&
        // A wildcard would pass for a host name, and match nothing.
        !value.includes('*') &&
        list.every((one) => one && (one.startsWith('https:') || isLoopbackHost(new URL(one).hostname)))
      )
    },
    { message: `must list at most ${MAX_WEBAUTHN_ORIGINS} origins such as https://login.example.org` },
  )

const storeUrl = (...protocols: string[]) =>
  z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    message: `must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`,
  })

/** The parts of a list with commas. */
const names = (value: string): string[] =>
  value
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)

/** RFC 6749 section 3.3, without what other scopes begin with: none of them becomes good for more by a setting. */
const tokenScopes = z
  .string()
  .default('')
  .refine(
    (value) =>
      names(value).every(
        (name) =>
          /^[A-Za-z][A-Za-z0-9._:/-]{1,63}$/.test(name) &&
          !/^(openid|offline_access|profile|email|phone|roles|address|provider_tokens:.*|clients:(read|write|trust))$/.test(
            name,
          ),
      ),
    { message: 'must be names such as reports:read, with commas, and none that the portal has itself' },
  )
  .refine((value) => names(value).length <= 30, { message: 'must be at most 30 names' })

/** Judged at boot: found out later, one wrong name would be an error for every request. */
const proxies = z
  .string()
  .default('')
  .refine(
    (value) => {
      try {
        proxyaddr.compile(names(value))
        return true
      } catch {
        return false
      }
    },
    { message: 'must list addresses, networks (10.0.0.0/8) or loopback, linklocal, uniquelocal' },
  )

const schema = z.object({
  NODE_ENV: z.enum(['development', 'production', 'test']).default('production'),
  PORT: count(3000, 0, 65_535),
  GATEHOUSE_HOST: z
    .string()
    .refine((value) => value === 'localhost' || isIP(value) > 0, {
      message: 'must be an address to listen on, such as 127.0.0.1 or 0.0.0.0, or localhost',
    })
    .optional(),
  GATEHOUSE_URL: origin.optional(),
  GATEHOUSE_DATA: z.string().min(1).default('.gatehouse'),
  DATABASE_URL: storeUrl('postgres:', 'postgresql:').optional(),
  DATABASE_POOL: count(10, 1, 200),
  REDIS_URL: storeUrl('redis:', 'rediss:').optional(),
  SMTP_URL: storeUrl('smtp:', 'smtps:').optional(),
  MAIL_FROM: z.string().min(3).max(200).optional(),
  ...smsShape,
  ...federationShape,
  PROVIDER_TOKENS: flag.default(false),
  PERSONAL_TOKEN_DAYS: count(365, 0, 3650),
  PERSONAL_TOKEN_SCOPES: tokenScopes,
  GATEHOUSE_SECRET: z.string().optional(),
  TRUSTED_PROXIES: proxies,
  ...certificatesShape,
  GEOIP_FILE: z.string().min(1).optional(),
  GEO_HEADERS: z
    .enum(['cloudflare', 'cloudfront'], { message: 'must be cloudflare or cloudfront' })
    .optional(),
  WEBAUTHN_ORIGINS: origins,
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  GATEHOUSE_PRODUCT_NAME: z.string().trim().min(1).max(60).default('Gatehouse'),
  GATEHOUSE_BRAND_COLOR: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, 'must be a colour such as #3b5bdb')
    .default('#4353c9'),
  GATEHOUSE_LOGO_URL: z
    .string()
    .refine(
      (v) => /^\/(?!\/)/.test(v) || /^https:\/\//.test(v),
      'must be a path such as /logo.svg or an https URL',
    )
    .optional(),
  GATEHOUSE_DEMO: flag.optional(),
  DEMO_PORT: count(3001, 0, 65_535),
  SIGN_UP: flag.default(true),
  /** 0: a closed account cannot be kept. */
  CLOSED_ACCOUNT_DAYS: count(14, 0, 365),
  ...guestsShape,
  ...registrationShape,
  SESSION_IDLE_MINUTES: count(60 * 24 * 7, 1),
  SESSION_MAX_DAYS: count(30, 1, 3650),
  /** 0: any number. */
  SESSIONS_PER_USER: count(100, 0, 100_000),
  SESSION_ROLE_LIMITS: roleLimits,
  BACKCHANNEL_PRIVATE_NETWORKS: proxies,
  LOGIN_ATTEMPT_MINUTES: count(60, 1, 1440),
  ACCESS_TOKEN_MINUTES: count(15, 1, 1440),
  ID_TOKEN_MINUTES: count(60, 1, 1440),
  REFRESH_TOKEN_DAYS: count(30, 1, 3650),
  /** 0: a refresh token is good once, whatever happens to its answer. */
  REFRESH_GRACE_SECONDS: count(10, 0, 60),
  /** 0: by hand alone. */
  KEY_ROTATION_DAYS: count(90, 0, 3650),
  ...factorsShape,
  PASSWORD_MIN_LENGTH: count(10, 8, 64),
  PASSWORD_HIBP: flag.default(false),
  PASSWORD_HIBP_URL: storeUrl('https:', 'http:').default('https://api.pwnedpasswords.com'),
  ARGON2_MEMORY_KIB: count(19_456, 19_456, 1_048_576),
  ARGON2_PASSES: count(2, 2, 20),
  PASSWORD_QUEUE_SECONDS: count(5, 1, 60),
  LIMIT_REQUESTS_PER_MINUTE: count(60, 1),
  LIMIT_REQUESTS_BURST: count(30, 1),
  LIMIT_PASSWORD_TRIES: count(10, 1, 99),
  LIMIT_MAILS_PER_RECIPIENT_HOUR: count(5, 1),
  LIMIT_SMS_PER_NUMBER_HOUR: count(3, 1),
  LIMIT_SMS_PER_IP_DAY: count(10, 1),
  LIMIT_SMS_PER_PREFIX_DAY: count(20, 1),
  LIMIT_SMS_PER_DAY: count(1000, 1),
  /** 0 switches delayed recovery off. */
  RECOVERY_HOURS: count(72, 0, 2160),
  RECOVERY_CONTACTS_NEEDED: count(2, 1, 10),
  /** 0 keeps them for ever. */
  EVENT_DAYS: count(400, 0, 36_500).refine((days) => days === 0 || days >= 30, {
    message: 'must be 0 (for ever) or at least 30',
  }),
  SHUTDOWN_SECONDS: count(10, 1, 300),
  SHUTDOWN_NOTICE_SECONDS: whole(0, 120).optional(),
})

type Raw = z.infer<typeof schema>

export interface Env {
  nodeEnv: Raw['NODE_ENV']
  port: number
  /** The address to listen on; undefined: this machine alone when the origin is loopback, else all. */
  host: string | undefined
  /** The one public origin, no trailing slash. */
  url: string
  /** `${url}/oidc` */
  issuer: string
  https: boolean
  /** The public origin is on this machine: development comforts are allowed. */
  loopback: boolean
  dataDir: string
  databaseUrl: string | undefined
  databasePool: number
  redisUrl: string | undefined
  smtpUrl: string | undefined
  mailFrom: string
  /** How text messages leave; null: they do not (the mailbox has them in development). */
  sms: SmsSettings | null
  /** Other providers that people may sign in with, and what keeps some of them out. */
  federation: FederationSettings
  /** Relying apps that are registered for it may have people's tokens of other providers. */
  providerTokens: boolean
  /** Personal access tokens: the longest life (0: none), and what they may be good for beside facts about their owner. */
  personalTokens: { maxDays: number; scopes: string[] }
  /** The first seals and signs; all open. */
  secrets: string[]
  /** proxy-addr names or CIDRs. */
  trustedProxies: string[]
  /** By which certificates apps prove themselves, and bind their tokens. */
  certificates: CertificateSettings
  /** A MaxMind DB file with places, or undefined: there is none. */
  geoipFile: string | undefined
  /** Whose headers tell where a visitor is; counted from trusted proxies alone. */
  geoHeaders: Raw['GEO_HEADERS']
  /** Origins beside the portal's own where its passkeys may be used (WebAuthn section 5.11). */
  webauthnOrigins: string[]
  logLevel: Raw['LOG_LEVEL']
  productName: string
  brandColor: string
  logoUrl: string | undefined
  /** undefined: on when the origin is loopback and the database embedded. */
  demo: boolean | undefined
  demoPort: number
  signUp: boolean
  /** For how long a closed account can be kept. */
  closedDays: number
  guests: GuestSettings
  registration: RegistrationSettings
  sessionIdleSeconds: number
  sessionMaxSeconds: number
  /** How many sessions one user may have at once; 0: any number. */
  sessionsPerUser: number
  /** What is stricter for whoever has a role. */
  sessionRoleLimits: Map<string, SessionLimits>
  /** Networks that are not public where logout tokens may be sent all the same: proxy-addr names or CIDRs. */
  backchannelPrivateNetworks: string[]
  loginAttemptSeconds: number
  accessTokenSeconds: number
  idTokenSeconds: number
  refreshTokenSeconds: number
  /** How long a refresh token that was used may be shown once more by its app, for the same successor. */
  refreshGraceSeconds: number
  /** How long a key signs before the next one takes over; 0: until an operator says so. */
  keyRotationSeconds: number
  secondFactor: SecondFactorSettings
  /** What may be a first proof; passkeys alone: whoever has none yet proves by a code sent by mail, and adds one. */
  signInMethods: SignInMethod[]
  passwordMinLength: number
  /** Base URL of the k-anonymity range service, or null when switched off. */
  hibpUrl: string | null
  argon2: { memoryKib: number; passes: number }
  passwordQueueSeconds: number
  limits: {
    requestsPerMinute: number
    requestsBurst: number
    passwordTries: number
    mailsPerRecipientHour: number
    /** Text messages: in all for one number, and those that nobody answered from a network, to a block of numbers. */
    smsPerNumberHour: number
    smsPerIpDay: number
    smsPerPrefixDay: number
    /** All text messages of a day: the most that any flood can cost. */
    smsPerDay: number
  }
  recovery: {
    /** Between the request and the moment it may be finished; 0: there is no delayed recovery. */
    waitSeconds: number
    /** How many trusted contacts end the waiting time. */
    contactsNeeded: number
  }
  /** How long events are kept; 0: for ever. */
  eventDays: number
  shutdownSeconds: number
  /** How long a stop is announced before it begins: none where the origin is this machine's, which no balancer watches. */
  shutdownNoticeSeconds: number
}

/** Thrown with one sentence for each wrong variable; boot prints it and ends. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

export const isLoopbackHost = (hostname: string): boolean =>
  hostname === 'localhost' ||
  hostname.endsWith('.localhost') ||
  /^127(\.\d+){3}$/.test(hostname) ||
  hostname === '[::1]'

type Source = Record<string, string | undefined>

/** Reads secrets given by file (`NAME_FILE`) as if by value (`NAME`); the value wins. */
function withFiles(source: Source): Source {
  const out: Source = {}
  for (const [name, value] of Object.entries(source)) {
    if (value === undefined || value === '') continue
    const base = name.endsWith('_FILE') ? name.slice(0, -5) : null
    if (base && base in schema.shape) {
      try {
        out[base] ??= readFileSync(value, 'utf8').trim()
      } catch (error) {
        throw new ConfigError(
          `${name} names a file that cannot be read: ${value} (${(error as Error).message})`,
        )
      }
    } else out[name] = value
  }
  return out
}

/**
 * Checks an environment and gives the typed configuration.
 * @throws ConfigError naming every wrong variable.
 */
export function readEnv(source: Source): Env {
  const parsed = schema.safeParse(withFiles(source))
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}.`).join('\n'),
    )
  }
  const raw = parsed.data
  const url = raw.GATEHOUSE_URL ?? `http://localhost:${raw.PORT}`
  const { protocol, hostname } = new URL(url)
  const secrets = names(raw.GATEHOUSE_SECRET ?? '')
  if (secrets.some((secret) => secret.length < 32 || new Set(secret).size < 8)) {
    throw new ConfigError(
      'GATEHOUSE_SECRET must have at least 32 characters, and more than a few different ones (make one with: openssl rand -base64 32).',
    )
  }
  const missing: string[] = []
  if (raw.GEO_HEADERS && !raw.TRUSTED_PROXIES.trim()) {
    missing.push(
      'GEO_HEADERS counts from trusted proxies alone, and TRUSTED_PROXIES names none: name those through which the CDN reaches the portal.',
    )
  }
  const certificates = readCertificates(
    raw,
    { proxies: Boolean(raw.TRUSTED_PROXIES.trim()), url },
    (sentence) => missing.push(sentence),
  )
  const sms = readSms(raw, (sentence) => missing.push(sentence))
  const factors = readFactors(raw, (sentence) => missing.push(sentence))
  if (missing.length) throw new ConfigError(missing.join('\n'))
  return {
    nodeEnv: raw.NODE_ENV,
    port: raw.PORT,
    host: raw.GATEHOUSE_HOST,
    url,
    issuer: `${url}/oidc`,
    https: protocol === 'https:',
    loopback: isLoopbackHost(hostname),
    dataDir: path.resolve(raw.GATEHOUSE_DATA),
    databaseUrl: raw.DATABASE_URL,
    databasePool: raw.DATABASE_POOL,
    redisUrl: raw.REDIS_URL,
    smtpUrl: raw.SMTP_URL,
    mailFrom: raw.MAIL_FROM ?? `${raw.GATEHOUSE_PRODUCT_NAME} <no-reply@${hostname.replace(/[[\]]/g, '')}>`,
    sms,
    providerTokens: raw.PROVIDER_TOKENS,
    personalTokens: {
      maxDays: raw.PERSONAL_TOKEN_DAYS,
      scopes: [...new Set(names(raw.PERSONAL_TOKEN_SCOPES))],
    },
    federation: readFederation(raw.PROVIDERS, source),
    secrets,
    trustedProxies: names(raw.TRUSTED_PROXIES),
    certificates,
    geoipFile: raw.GEOIP_FILE && path.resolve(raw.GEOIP_FILE),
    geoHeaders: raw.GEO_HEADERS,
    webauthnOrigins: names(raw.WEBAUTHN_ORIGINS)
      .map((one) => new URL(one).origin)
      .filter((one) => one !== url),
    logLevel: raw.LOG_LEVEL,
    productName: raw.GATEHOUSE_PRODUCT_NAME,
    brandColor: raw.GATEHOUSE_BRAND_COLOR,
    logoUrl: raw.GATEHOUSE_LOGO_URL,
    demo: raw.GATEHOUSE_DEMO,
    demoPort: raw.DEMO_PORT,
    signUp: raw.SIGN_UP,
    closedDays: raw.CLOSED_ACCOUNT_DAYS,
    guests: readGuests(raw),
    registration: readRegistration(raw),
    sessionIdleSeconds: raw.SESSION_IDLE_MINUTES * 60,
    sessionMaxSeconds: raw.SESSION_MAX_DAYS * 86_400,
    sessionsPerUser: raw.SESSIONS_PER_USER,
    sessionRoleLimits: readRoleLimits(raw.SESSION_ROLE_LIMITS),
    backchannelPrivateNetworks: names(raw.BACKCHANNEL_PRIVATE_NETWORKS),
    loginAttemptSeconds: raw.LOGIN_ATTEMPT_MINUTES * 60,
    accessTokenSeconds: raw.ACCESS_TOKEN_MINUTES * 60,
    idTokenSeconds: raw.ID_TOKEN_MINUTES * 60,
    refreshTokenSeconds: raw.REFRESH_TOKEN_DAYS * 86_400,
    refreshGraceSeconds: raw.REFRESH_GRACE_SECONDS,
    keyRotationSeconds: raw.KEY_ROTATION_DAYS * 86_400,
    ...factors,
    passwordMinLength: raw.PASSWORD_MIN_LENGTH,
    hibpUrl: raw.PASSWORD_HIBP ? raw.PASSWORD_HIBP_URL.replace(/\/$/, '') : null,
    argon2: { memoryKib: raw.ARGON2_MEMORY_KIB, passes: raw.ARGON2_PASSES },
    passwordQueueSeconds: raw.PASSWORD_QUEUE_SECONDS,
    limits: {
      requestsPerMinute: raw.LIMIT_REQUESTS_PER_MINUTE,
      requestsBurst: raw.LIMIT_REQUESTS_BURST,
      passwordTries: raw.LIMIT_PASSWORD_TRIES,
      mailsPerRecipientHour: raw.LIMIT_MAILS_PER_RECIPIENT_HOUR,
      smsPerNumberHour: raw.LIMIT_SMS_PER_NUMBER_HOUR,
      smsPerIpDay: raw.LIMIT_SMS_PER_IP_DAY,
      smsPerPrefixDay: raw.LIMIT_SMS_PER_PREFIX_DAY,
      smsPerDay: raw.LIMIT_SMS_PER_DAY,
    },
    recovery: { waitSeconds: raw.RECOVERY_HOURS * 3600, contactsNeeded: raw.RECOVERY_CONTACTS_NEEDED },
    eventDays: raw.EVENT_DAYS,
    shutdownSeconds: raw.SHUTDOWN_SECONDS,
    shutdownNoticeSeconds: raw.SHUTDOWN_NOTICE_SECONDS ?? (isLoopbackHost(hostname) ? 0 : 5),
  }
}

/** The names of all variables, for the configuration table's test. */
export const ENV_NAMES = Object.keys(schema.shape) as (keyof Raw)[]

/** What each is when nobody sets it, for the same test. */
export const ENV_DEFAULTS: Raw = schema.parse({})

let current: Env | null = null

/** The configuration of this process, read from process.env at the first call. */
export function env(): Env {
  current ??= readEnv(process.env)
  return current
}

/** Forgets what was read: the next `env()` reads process.env again (boot, after it filled in; tests). */
export const reloadEnv = (): void => {
  current = null
}
