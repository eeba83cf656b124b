/**
 * What makes a sign-in unlike those before it. Pure: from what is known of the past and of this one to reasons; what
 * follows from them is the operator's to say (UNUSUAL_SIGN_IN), and `nextStep`'s to ask.
 */
import type { EventPlace } from '../audit'

export type UnusualReason = 'new_country' | 'impossible_travel' | 'long_idle' | 'many_failures'

export interface SignInFacts {
  /** Now, milliseconds since the epoch. */
  at: number
  /** Where this one comes from; null when nobody knows. */
  place: Pick<EventPlace, 'country' | 'latitude' | 'longitude'> | null
  /** The sign-ins before it, newest first. */
  before: readonly { at: number; place: EventPlace | null }[]
  /** The last one, however long ago; null for the first of an account. */
  lastAt: number | null
  /** Tries that failed since the last sign-in, within a day. */
  failures: number
}

const DAY_MS = 86_400_000
export const IDLE_DAYS = 90
/** As many as the tries of a password before its first pause. */
export const MANY_FAILURES = 10
/** An airliner, with its way to and from the airport. */
const FASTEST_KMH = 900
/** Databases place an address within about so much; closer than twice that is no journey. */
const BLUR_KM = 250

/** All that is unusual about a sign-in; nothing where too little is known to say so. */
export function unusualReasons({ at, place, before, lastAt, failures }: SignInFacts): UnusualReason[] {
  const countries = before.flatMap(({ place: was }) => was?.country ?? [])
  const last = before.find(({ place: was }) => pointOf(was))
  const [here, there] = [pointOf(place), pointOf(last?.place ?? null)]
  const reasons: Record<UnusualReason, boolean> = {
    new_country: Boolean(place?.country) && countries.length > 0 && !countries.includes(place?.country ?? ''),
    impossible_travel: Boolean(last && here && there && tooFar(kilometres(here, there), at - last.at)),
    long_idle: lastAt !== null && at - lastAt > IDLE_DAYS * DAY_MS,
    many_failures: failures >= MANY_FAILURES,
  }
  return (Object.keys(reasons) as UnusualReason[]).filter((reason) => reasons[reason])
}

const tooFar = (distance: number, ms: number): boolean =>
  distance - 2 * BLUR_KM > FASTEST_KMH * (Math.max(0, ms) / 3_600_000)

type Point = { latitude: number; longitude: number }

const pointOf = (place: Pick<EventPlace, 'latitude' | 'longitude'> | null): Point | null =>
  place && place.latitude !== null && place.longitude !== null
    ? { latitude: place.latitude, longitude: place.longitude }
    : null

/** Mean radius of the Earth (IUGG). */
const EARTH_KM = 6371.0088

/** Great-circle distance by the haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky & Telescope 68, 1984). */
export function kilometres(a: Point, b: Point): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180
  const half = (degrees: number) => Math.sin(radians(degrees) / 2) ** 2
  const h =
    half(b.latitude - a.latitude) +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * half(b.longitude - a.longitude)
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}
