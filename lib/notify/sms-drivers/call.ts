/** One request to a provider: bounded in time and size, no redirects, and nothing secret in what it reports. */
import { Undeliverable } from '../../audit'

export interface SmsMessage {
  /** Stays the same over repetitions. */
  id: string
  /** E.164. */
  to: string
  text: string
  code: string | null
  /** Language of the text. */
  locale: string
  template: string
  /** Worthless after this time. */
  notAfter: Date | null
}

/** What a provider answered. */
export interface Answer {
  status: number
  /** Its body as JSON, or null. */
  body: Record<string, unknown> | null
}

/** A way out for text messages. Throws Undeliverable for good refusals, any other Error to be tried again. */
export interface SmsDriver {
  send(message: SmsMessage, signal: AbortSignal): Promise<void>
  /** Tells the provider that the code it carried came back (some ask for it, to route well). */
  answered?(to: string, signal: AbortSignal): Promise<void>
}

const TIMEOUT_MS = 10_000
const MAX_BODY_BYTES = 16_384

/** @throws Error when there is no whole answer within ten seconds */
export async function call(
  url: string,
  request: { method?: string; headers: Record<string, string>; body: string },
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await fetch(url, {
    method: 'POST',
    ...request,
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  }).catch((error: unknown) => {
    const { cause, name } = error as { cause?: { code?: string; message?: string }; name: string }
    throw new Error(`no answer: ${cause?.code ?? cause?.message ?? name}`, { cause: error })
  })
  return { status: answer.status, body: await readJson(answer) }
}

async function readJson(answer: Response): Promise<Record<string, unknown> | null> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) break
    chunks.push(chunk)
  }
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : null
  } catch {
    return null
  }
}

export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

export const taken = ({ status }: Answer): boolean => status >= 200 && status < 300

/**
 * Throws what a refusal means: final ones cannot be mended by trying again, all others may be (our
 * credentials, our credit, the weather).
 * @param reason the provider's own number for it, never its words: those echo what we sent
 */
export function refused(provider: string, answer: Answer, reason: string | null, final: boolean): never {
  const text = `${provider} answered ${answer.status}${reason ? ` (${reason})` : ''}`
  throw final ? new Undeliverable(text) : new Error(text)
}
