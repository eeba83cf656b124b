/** The history as a file: streamed page by page, so that its length costs nobody memory. Asks for itself who is there. */
import { stringify } from 'csv-stringify/sync'
import { getTranslations } from 'next-intl/server'
import { audit, requests, users } from '@/lib'
import type { ChainedEvent, EventView } from '@/lib/audit'
import type { Refusal } from '@/lib/base/refusals'
import { type EventWriter, eventWriter } from '../../../../../components/account/event-words'
import { refusalText } from '../../../../../components/login/words'
import { signInHref, whoIs } from '../../../../_lib/guard'
import { seeOther } from '../../../../_lib/login'
import { appsOf, askedOf, filterOf } from '../query'

const PAGE = '/account/activity'

export async function GET(request: Request): Promise<Response> {
  const { session, caller } = await whoIs()
  if (!session) return seeOther(signInHref(PAGE))
  // A guest sees the overview alone.
  if (session.guest) return seeOther('/account')
  const { userId } = session
  const query = Object.fromEntries(new URL(request.url).searchParams)
  const [profile, apps] = await Promise.all([users.profile.get(userId), appsOf(userId)])
  const words = await eventWriter(apps, requests.settings().productName)
  if (query.format === 'json') {
    const chain = await audit.downloadChain(userId)
    if (!chain.ok) return tooMany(chain.refusal)
    const { start, head, pages } = chain.value
    const about = (await getTranslations('activity'))('export_about')
    const exportedAt = new Date(requests.nowMs()).toISOString()
    return file('json', inJson({ about, userId, exportedAt, start, head }, pages, words))
  }
  const asked = filterOf(askedOf(query), profile?.timezone ?? 'UTC')
  const found = await audit.download(userId, asked)
  if (!found.ok) return tooMany(found.refusal)
  const t = await getTranslations('activity')
  const head = COLUMNS.map((name) => t(`columns.${name}`))
  const outcomes = {
    success: t('outcomes.success'),
    failure: t('outcomes.failure'),
    info: t('outcomes.info'),
  }
  const mine = { device: audit.deviceMark(caller.cookies), yes: t('yes') }
  return file(
    'csv',
    inCsv(head, found.value, (event) => row(event, words, outcomes[event.outcome], mine)),
  )
}

const TYPES = { csv: 'text/csv; charset=utf-8', json: 'application/json; charset=utf-8' }

function file(format: keyof typeof TYPES, parts: AsyncGenerator<string, void>): Response {
  const day = new Date(requests.nowMs()).toISOString().slice(0, 10)
  return new Response(streamOf(parts), {
    headers: {
      'content-type': TYPES[format],
      'content-disposition': `attachment; filename="activity-${day}.${format}"`,
      'cache-control': 'no-store, private',
      'x-content-type-options': 'nosniff',
    },
  })
}

/** One part after the other, each when the reader has taken the one before. */
function streamOf(parts: AsyncGenerator<string, void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream(
    {
      async pull(controller) {
        const { value, done } = await parts.next()
        if (done) controller.close()
        else controller.enqueue(encoder.encode(value))
      },
      async cancel() {
        await parts.return()
      },
    },
    { highWaterMark: 0 },
  )
}

async function tooMany(refusal: Refusal): Promise<Response> {
  return new Response(await refusalText(refusal), {
    status: 429,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'retry-after': String(refusal.retryAfterSeconds ?? 60),
    },
  })
}

const COLUMNS = [
  'time',
  'what',
  'type',
  'outcome',
  'app',
  'device',
  'this_device',
  'place',
  'ip',
  'by',
  'session',
  'user_agent',
  'details',
] as const

function row(
  event: EventView,
  words: EventWriter,
  outcome: string,
  mine: { device: string | null; yes: string },
): (string | null)[] {
  const why = words.why(event)
  return [
    event.at.toISOString(),
    why ? `${words.what(event)}: ${why}` : words.what(event),
    event.type,
    outcome,
    words.app(event.clientId),
    words.device(event),
    event.device !== null && event.device === mine.device ? mine.yes : null,
    words.place(event.place),
    event.ip,
    words.by(event),
    event.sessionId,
    event.userAgent,
    Object.keys(event.data).length > 0 ? JSON.stringify(event.data) : null,
  ]
}

/** A table for spreadsheets: what begins like a formula is text (CWE-1236), and a mark says that it is UTF-8. */
async function* inCsv(
  head: string[],
  pages: AsyncGenerator<EventView[], void>,
  cells: (event: EventView) => (string | null)[],
): AsyncGenerator<string, void> {
  const write = (rows: (string | null)[][]) =>
    stringify(rows, { escape_formulas: true, record_delimiter: 'windows' })
  yield `\uFEFF${write([head])}`
  for await (const events of pages) yield write(events.map(cells))
}

/** The events as they were written, with their chain and their words; docs/verify-events.mjs reads this. */
async function* inJson(
  about: object,
  pages: AsyncGenerator<ChainedEvent[], void>,
  words: EventWriter,
): AsyncGenerator<string, void> {
  yield `${JSON.stringify(about, null, 1).slice(0, -2)},\n "events": [`
  let first = true
  for await (const events of pages) {
    const lines = events.map(({ view, id: _id, ...event }) =>
      JSON.stringify({ ...event, what: words.what(view), app: words.app(view.clientId) }),
    )
    yield `${first ? '' : ','}\n  ${lines.join(',\n  ')}`
    first = false
  }
  yield '\n ]\n}\n'
}
