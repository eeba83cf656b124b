import { getLocale, getTranslations } from 'next-intl/server'
import type { EventPlace, EventView } from '@/lib/audit'
import { METHODS } from './words'

/** What the words of an event are made of. */
export type TellableEvent = Pick<
  EventView,
  'type' | 'actor' | 'clientId' | 'userAgent' | 'agent' | 'place' | 'data'
>

const REASONS = ['new_country', 'impossible_travel', 'long_idle', 'many_failures'] as const

export interface EventWriter {
  /** What happened, in one line; the type itself of what people do not read. */
  what: (event: TellableEvent) => string
  /** What was unusual about a sign-in; null for anything else. */
  why: (event: TellableEvent) => string | null
  /** "Firefox 140 on Windows 11"; null where no browser was at work. */
  device: (event: TellableEvent) => string | null
  /** "Berlin, Germany"; null when nobody knows. */
  place: (place: EventPlace | null) => string | null
  /** Who did it, when it was not the person; else null. */
  by: (event: TellableEvent) => string | null
  app: (clientId: string | null) => string | null
}

/**
 * Tells events in the reader's language. All words are at hand once this is: they are also needed while an answer streams.
 * @param apps names by client id
 */
export async function eventWriter(apps: ReadonlyMap<string, string>, product: string): Promise<EventWriter> {
  const [t, methods, locale] = await Promise.all([
    getTranslations('activity'),
    getTranslations('account.method'),
    getLocale(),
  ])
  const regions = new Intl.DisplayNames(locale, { type: 'region' })
  const list = new Intl.ListFormat(locale, { type: 'conjunction' })
  // Which keys there are is events.test.ts's to say: each type that people read has words.
  const say = t as unknown as {
    (key: string, values: Record<string, string | number>): string
    has: (key: string) => boolean
  }
  const method = (name: unknown): string => {
    const known = METHODS.find((one) => one === name)
    return known ? methods(known) : methods('other', { name: typeof name === 'string' ? name : '' })
  }
  const app = (clientId: string | null) => clientId && (apps.get(clientId) ?? t('app_gone'))
  return {
    app,
    what: ({ type, clientId, data }) => {
      const key = `events.${type}`
      if (!say.has(key)) return type
      const { name, provider, left, on, reason } = data
      return say(key, {
        method: method(data.method),
        again: String(typeof data.method === 'string'),
        name: String(name || provider || t('unnamed')),
        app: app(clientId) ?? t('app_gone'),
        left: typeof left === 'number' ? left : 0,
        on: String(on === true),
        reason: String(reason ?? ''),
      })
    },
    why: ({ type, data }) => {
      const said = Array.isArray(data.reasons) ? data.reasons : []
      const known = type === 'signin.unusual' ? REASONS.filter((reason) => said.includes(reason)) : []
      return known.length > 0 ? list.format(known.map((reason) => t(`reasons.${reason}`))) : null
    },
    device: ({ userAgent, agent: { browser, os } }) =>
      userAgent ? t('on', { browser: browser ?? t('unknown_browser'), os: os ?? t('unknown_os') }) : null,
    place: (place) => {
      const country = place?.country && regions.of(place.country)
      return [place?.city, country].filter(Boolean).join(', ') || null
    },
    by: ({ actor }) => {
      if (!actor) return null
      if (actor === 'operator') return t('by_operator')
      return actor === 'system' ? t('by_system', { product }) : t('by_other')
    },
  }
}
