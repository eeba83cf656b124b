/**
 * Every way the house says no, in one table. A refusal is a value, not an exception.
 * `secret` ones must look alike to whoever asks: same words, status, headers and time.
 */
export const REFUSALS = {
  wrong_credentials: { status: 401, secret: true },
  invalid_email: { status: 400, secret: false },
  invalid_phone: { status: 400, secret: false },
  phone_country: { status: 400, secret: false },
  sms_off: { status: 403, secret: false },
  sms_spent: { status: 429, secret: false },
  confirmation_wrong: { status: 400, secret: false },
  last_way_back: { status: 409, secret: false },
  factor_required: { status: 409, secret: false },
  too_many: { status: 409, secret: false },
  invalid_input: { status: 400, secret: false },
  password_too_short: { status: 400, secret: false },
  password_too_long: { status: 400, secret: false },
  password_common: { status: 400, secret: false },
  password_context: { status: 400, secret: false },
  password_breached: { status: 400, secret: false },
  code_wrong: { status: 401, secret: true },
  code_expired: { status: 410, secret: false },
  device_code_wrong: { status: 404, secret: false },
  code_exhausted: { status: 429, secret: false },
  totp_wrong: { status: 401, secret: false },
  totp_used: { status: 401, secret: false },
  backup_code_wrong: { status: 401, secret: false },
  enrolment_over: { status: 410, secret: false },
  rate_limited: { status: 429, secret: false },
  busy: { status: 503, secret: false },
  flow_expired: { status: 410, secret: false },
  flow_foreign_browser: { status: 403, secret: false },
  cookies_blocked: { status: 400, secret: false },
  account_changed: { status: 409, secret: false },
  method_off: { status: 403, secret: false },
  second_exhausted: { status: 429, secret: false },
  passkey_unverified: { status: 401, secret: false },
  provider_not_fresh: { status: 403, secret: false },
  provider_other_person: { status: 403, secret: false },
  provider_no_sign_up: { status: 403, secret: false },
  provider_other_linked: { status: 409, secret: false },
  account_disabled: { status: 403, secret: false },
  account_closed: { status: 403, secret: false },
  email_unverified: { status: 403, secret: false },
  email_taken: { status: 409, secret: false },
  proof_required: { status: 403, secret: false },
  primary_stays: { status: 409, secret: false },
  link_over: { status: 410, secret: false },
  image_invalid: { status: 400, secret: false },
  image_too_large: { status: 413, secret: false },
  password_wrong: { status: 401, secret: false },
  contact_self: { status: 400, secret: false },
  contact_other_address: { status: 403, secret: false },
  recovery_over: { status: 410, secret: true },
  recovery_off: { status: 403, secret: false },
  passkey_invalid: { status: 401, secret: false },
  passkey_expired: { status: 410, secret: false },
  passkey_unknown: { status: 401, secret: false },
  passkey_exists: { status: 409, secret: false },
  passkey_cloned: { status: 403, secret: false },
  not_found: { status: 404, secret: false },
  already_exists: { status: 409, secret: false },
  version_changed: { status: 412, secret: false },
  rights_missing: { status: 403, secret: false },
  csrf: { status: 403, secret: false },
  account_required: { status: 403, secret: false },
  session_required: { status: 401, secret: false },
  sign_up_closed: { status: 403, secret: false },
  provider_denied: { status: 403, secret: false },
  provider_down: { status: 503, secret: false },
  provider_failed: { status: 400, secret: false },
  provider_not_allowed: { status: 403, secret: false },
  provider_tokens_over: { status: 409, secret: false },
  identity_taken: { status: 409, secret: false },
  redirect_uri_invalid: { status: 400, secret: false },
  stores_down: { status: 503, secret: false },
} as const satisfies Record<string, { status: number; secret: boolean }>

export type RefusalCode = keyof typeof REFUSALS

export interface Refusal {
  code: RefusalCode
  status: number
  /** Honest: after this many seconds the same request passes this limit. */
  retryAfterSeconds?: number
  /** Which field of a form it is about. */
  field?: string
  /** Values for the sentence shown; never a secret. */
  values?: Record<string, string | number>
}

export type Result<T = void> = { ok: true; value: T } | { ok: false; refusal: Refusal }

export function ok(): Result<void>
export function ok<T>(value: T): Result<T>
export function ok<T>(value?: T): Result<T | undefined> {
  return { ok: true, value }
}

/** A refused result; its status comes from the table. */
export function refuse(
  code: RefusalCode,
  extra: Omit<Refusal, 'code' | 'status'> = {},
): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: { code, status: REFUSALS[code].status, ...extra } }
}

/**
 * Thrown when Postgres (or Redis, where nothing can be decided without it) does not answer in time:
 * the host turns it into 503 with Retry-After, never into "anonymous".
 */
export class StoresDown extends Error {
  override name = 'StoresDown'
  constructor(
    public store: 'postgres' | 'redis',
    cause?: unknown,
  ) {
    super(`${store} does not answer`, { cause })
    for (const listener of storesDownListeners) listener(store)
  }
}

const storesDownListeners = new Set<(store: StoresDown['store']) => void>()

/** Calls `fn` whenever someone could not reach a store. Returns the way to stop. */
export function onStoresDown(fn: (store: StoresDown['store']) => void): () => void {
  storesDownListeners.add(fn)
  return () => storesDownListeners.delete(fn)
}
