/** Structured logs (pino) that carry the request's id and never a secret. */
import { AsyncLocalStorage } from 'node:async_hooks'
import pino from 'pino'
import { env } from './env'

export interface RequestContext {
  requestId: string
  /** A server action of ours was reached: what fails from here on is our fault, not the body's. */
  inAction?: boolean
  /** Cookies that it set on its way: the page that is made after an action goes by these. */
  renewedCookies?: Record<string, string>
}

const requests = new AsyncLocalStorage<RequestContext>()

/** Runs `fn` so that every log line inside carries the request's id. */
export const withRequest = <T>(context: RequestContext, fn: () => T): T => requests.run(context, fn)

export const currentRequest = (): RequestContext | undefined => requests.getStore()

const SECRET_FIELDS = [
  'password',
  'code',
  'token',
  'secret',
  'cookie',
  'authorization',
  'client_secret',
  'refresh_token',
  'access_token',
  'id_token',
  'code_verifier',
  'email',
  'to',
  'hash',
  'payload',
]
const redact = SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])
redact.push('req.headers', 'headers["set-cookie"]')

let logger: pino.Logger | null = null

/** The process's logger. Writes JSON lines to stdout. */
export function log(): pino.Logger {
  logger ??= pino({
    level: env().nodeEnv === 'test' && !process.env.LOG_LEVEL ? 'silent' : env().logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: redact, censor: '[redacted]' },
    mixin: () => {
      const requestId = requests.getStore()?.requestId
      return requestId ? { requestId } : {}
    },
  })
  return logger
}

/** One line of the access log: every field it may hold, none of which can carry a secret. */
export interface RequestLine {
  method: string
  /** Without its query. */
  path: string
  status: number
  ms: number
  requestId: string
}

const ACCESS_LOG_DELAY_MS = 200
const ACCESS_LOG_LINES = 64
let accessLog: ReturnType<typeof pino.destination> | null = null
let waiting: string[] = []

/** A request that was answered, as a line of JSON like those of `log()`. */
export const requestLine = ({ method, path, status, ms, requestId }: RequestLine): string =>
  `{"level":"info","time":"${new Date().toISOString()}","requestId":${JSON.stringify(requestId)},"method":${JSON.stringify(method)},"path":${JSON.stringify(path)},"status":${status},"ms":${ms},"msg":"request"}\n`

/**
 * Notes a request that was answered. On a small request, searching the line for secrets and a write of
 * its own would cost more than the answer: this line takes nothing but its own fields, and lines leave
 * together, at most 0.2 s late (also when the process exits; a SIGKILL may cost that much of this log).
 */
export function logRequest(line: RequestLine): void {
  if (!log().isLevelEnabled('info')) return
  if (!accessLog) {
    // Before the destination, which writes what it still has when the process exits.
    process.once('exit', sendLines)
    accessLog = pino.destination({ dest: 1, sync: false })
  }
  if (waiting.push(requestLine(line)) === ACCESS_LOG_LINES) sendLines()
  else if (waiting.length === 1) setTimeout(sendLines, ACCESS_LOG_DELAY_MS).unref()
}

/** Joined here: the destination would measure all that waits anew with every line. */
function sendLines(): void {
  if (waiting.length === 0) return
  accessLog?.write(waiting.join(''))
  waiting = []
}

export const resetLog = (): void => {
  logger = null
}
