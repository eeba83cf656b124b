/** What doctor finds out from the stores and the settings. */
import { env } from '../base/env'
import { DEMO_ADDRESSES, isMigrated, knownMigrations, refuseUnsafeDefaults } from '../host'
import type { KeyView } from '../oidc'
import * as store from './store'

export interface Check {
  name: string
  state: 'ok' | 'warn' | 'fail'
  /** What was found. */
  message: string
  /** How to mend it. */
  hint?: string
}

const words = (error: unknown): string => (error as Error).message.split('\n')[0] ?? 'unknown'

/**
 * Settings that the portal refuses behind a public address.
 * Call it before the stores fill the environment in: it judges what the operator gave.
 */
export function checkSafety(): Check {
  const name = 'safety'
  try {
    refuseUnsafeDefaults(env())
    const message = env().loopback
      ? 'defaults are fine on this machine'
      : 'nothing unsafe is left at its default'
    return { name, state: 'ok', message }
  } catch (error) {
    const hint = 'The portal does not start like this.'
    return { name, state: 'fail', message: (error as Error).message.replaceAll('\n', ' '), hint }
  }
}

export async function checkDatabase(): Promise<Check[]> {
  let version: string
  try {
    version = (await store.databaseFacts()).version
  } catch (error) {
    const hint = 'Check DATABASE_URL and that the server is up and takes connections from here.'
    return [{ name: 'database', state: 'fail', message: `does not answer: ${words(error)}`, hint }]
  }
  const old = Number.parseInt(version, 10) < 14
  const database: Check = old
    ? {
        name: 'database',
        state: 'fail',
        message: `PostgreSQL ${version}`,
        hint: 'Use PostgreSQL 14 or later.',
      }
    : { name: 'database', state: 'ok', message: `PostgreSQL ${version}` }
  const known = knownMigrations()
  try {
    const done = await isMigrated(store.appliedMigrations, known)
    if (done) return [database, { name: 'migrations', state: 'ok', message: `all ${known.length} applied` }]
    const hint = 'Restart the portal: it applies them at its start.'
    return [database, { name: 'migrations', state: 'fail', message: 'some are not applied', hint }]
  } catch (error) {
    const hint = 'Start the portal once with this database, or restore a backup.'
    return [database, { name: 'migrations', state: 'fail', message: words(error), hint }]
  }
}

export async function checkRedis(): Promise<Check> {
  const name = 'redis'
  try {
    const { version, policy, milliseconds } = await store.redisFacts()
    const message = `Redis ${version}, ${milliseconds.toFixed(1)} ms`
    if (policy && policy !== 'noeviction') {
      const hint = 'Set maxmemory-policy noeviction: others throw running sign-ins away when memory is short.'
      return { name, state: 'warn', message: `${message}, maxmemory-policy ${policy}`, hint }
    }
    return { name, state: 'ok', message }
  } catch (error) {
    const cause = (error as { cause?: Error }).cause
    const hint = 'Check REDIS_URL and that the server is up and takes connections from here.'
    return { name, state: 'fail', message: `does not answer: ${words(cause ?? error)}`, hint }
  }
}

const SKEW_WARN_MS = 2_000
const SKEW_FAIL_MS = 60_000

/** Our clock against the database's: tokens and codes live by ours, a second machine's by its own. */
export async function checkClock(): Promise<Check> {
  const name = 'clock'
  try {
    const before = Date.now()
    const { now } = await store.databaseFacts()
    const skew = now.getTime() - (before + Date.now()) / 2
    const message = `${Math.abs(Math.round(skew))} ms ${skew < 0 ? 'ahead of' : 'behind'} the database`
    const hint = 'Let both machines take their time from NTP (timedatectl set-ntp true).'
    if (Math.abs(skew) > SKEW_FAIL_MS)
      return {
        name,
        state: 'fail',
        message,
        hint: `${hint} Until then no signing key is rotated or retired.`,
      }
    return { name, state: Math.abs(skew) > SKEW_WARN_MS ? 'warn' : 'ok', message, hint }
  } catch {
    return { name, state: 'warn', message: 'not compared: the database does not answer' }
  }
}

const LATE_MS = 600_000

export async function checkDeliveries(): Promise<Check> {
  const name = 'deliveries'
  try {
    const { count, oldest, lastError } = await store.owedFacts()
    if (!count || !oldest) return { name, state: 'ok', message: 'nothing is waiting to be sent' }
    const message = `${count} waiting, the oldest since ${oldest.toISOString()}${lastError ? ` (${lastError})` : ''}`
    const late = Date.now() - oldest.getTime() > LATE_MS
    return {
      name,
      state: late ? 'warn' : 'ok',
      message,
      hint: 'See mail below; they are sent by the running portal.',
    }
  } catch {
    return { name, state: 'warn', message: 'not counted: the database does not answer' }
  }
}

/**
 * People of the demonstration who may still sign in, one of them as an administrator: left in a database that was tried
 * out on one's own machine before it got a public address. Nothing where there is none.
 */
export async function checkDemo(): Promise<Check[]> {
  if (env().loopback) return []
  const { find } = await import('../users')
  const found = await Promise.all(DEMO_ADDRESSES.map((email) => find({ email })))
  const left = DEMO_ADDRESSES.filter((_, index) => found[index]?.status === 'active')
  if (left.length === 0) return []
  const message = `${left.join(' and ')} may still sign in, with passwords made for trying out`
  const hint = left.map((email) => `gatehouse user disable ${email}`).join('; ')
  return [{ name: 'demo', state: 'warn', message, hint }]
}

/** Apps that are off, since they are registered to show certificates and none can come. Nothing where none is. */
export async function checkCertificateApps(): Promise<Check[]> {
  const { header, authorities } = env().certificates
  if (header && authorities.length > 0) return []
  const count = await store.appsWithCertificates(header !== undefined)
  if (count === 0) return []
  const missing = header ? 'CLIENT_CERTIFICATE_CA' : 'CLIENT_CERTIFICATE_HEADER'
  const message = `${count} ${count === 1 ? 'app is' : 'apps are'} off, registered to show certificates`
  const hint = `Set ${missing} (docs/reverse-proxy.md), or change how they prove themselves.`
  return [{ name: 'apps', state: 'warn', message, hint }]
}

const DAY_MS = 86_400_000
/** The portal looks every hour. */
const OVERDUE_MS = 2 * 3_600_000

const newest = ({ createdAt, activeAt, retiredAt }: KeyView): Date =>
  new Date(Math.max(...[createdAt, activeAt, retiredAt].map((at) => at?.getTime() ?? 0)))

/** Later than both clocks: where one of them is wrong, `clock` says so. */
const inFuture =
  ({ now }: { now: Date }) =>
  (key: KeyView): boolean =>
    key.status !== 'revoked' && newest(key).getTime() > Math.max(now.getTime(), Date.now()) + SKEW_FAIL_MS

/** Whether each key that signs gives way when it should (KEY_ROTATION_DAYS). */
export async function checkKeys(): Promise<Check> {
  const name = 'keys'
  try {
    const { keys } = await import('../oidc')
    const all = await keys.list()
    const signing = all.filter(({ status }) => status === 'active')
    const [first] = signing
    if (!first) return { name, state: 'ok', message: 'none yet: the portal makes them at its first start' }
    const ahead = all.filter(inFuture(await store.databaseFacts()))
    if (ahead.length > 0) {
      const which = ahead
        .map((key) => `${key.algorithm} (${key.status}) ${newest(key).toISOString()}`)
        .join(', ')
      const hint =
        'A clock ran ahead when they were made or moved on; until then none of them is rotated or goes. When the clocks are right: gatehouse key redate.'
      return { name, state: 'warn', message: `times in the future: ${which}`, hint }
    }
    const late = signing.filter(({ rotatesAt }) => rotatesAt && Date.now() - rotatesAt.getTime() > OVERDUE_MS)
    if (late.length > 0) {
      const which = late.map((key) => `${key.algorithm} since ${key.rotatesAt?.toISOString()}`).join(', ')
      const hint =
        'A running portal rotates them within the hour; if one runs, its log says why not. By hand: gatehouse key rotate.'
      return { name, state: 'warn', message: `overdue: ${which}`, hint }
    }
    const since = new Date(Math.min(...signing.map((key) => (key.activeAt ?? key.createdAt).getTime())))
    const days = Math.floor((Date.now() - since.getTime()) / DAY_MS)
    const age = `the oldest of ${signing.length} signs for ${days} days`
    if (env().keyRotationSeconds > 0) return { name, state: 'ok', message: age }
    const hint = 'Rotate them with gatehouse key rotate, or let KEY_ROTATION_DAYS do it.'
    return { name, state: days > 365 ? 'warn' : 'ok', message: `${age}, rotated by hand alone`, hint }
  } catch {
    return { name, state: 'warn', message: 'not looked at: the database does not answer' }
  }
}
