import { describe, expect, it } from 'vitest'
import { kilometres, type SignInFacts, type UnusualReason, unusualReasons } from './unusual'

const HOUR = 3_600_000
const NOW = Date.UTC(2026, 10, 28, 12)
const BERLIN = { country: 'DE', city: 'Berlin', latitude: 52.5, longitude: 13.4 }
const HAMBURG = { country: 'DE', city: 'Hamburg', latitude: 53.6, longitude: 10 }
const PARIS = { country: 'FR', city: 'Paris', latitude: 48.9, longitude: 2.4 }
const SYDNEY = { country: 'AU', city: 'Sydney', latitude: -33.9, longitude: 151.2 }
const FIJI = { country: 'FJ', city: 'Suva', latitude: -18.1, longitude: 178.4 }
const SAMOA = { country: 'WS', city: 'Apia', latitude: -13.8, longitude: -171.8 }
const GERMANY = { country: 'DE', city: null, latitude: null, longitude: null }

const facts = (more: Partial<SignInFacts> = {}): SignInFacts => ({
  at: NOW,
  place: BERLIN,
  before: [{ at: NOW - 24 * HOUR, place: BERLIN }],
  lastAt: NOW - 24 * HOUR,
  failures: 0,
  ...more,
})
const ago = (hours: number, place: SignInFacts['before'][number]['place']) => [
  { at: NOW - hours * HOUR, place },
]

describe('what is unusual about a sign-in, as a truth table', () => {
  const rows: [string, Partial<SignInFacts>, UnusualReason[]][] = [
    ['as always', {}, []],
    ['the first of an account', { before: [], lastAt: null }, []],
    ['a new country, a day later', { place: PARIS }, ['new_country']],
    ['a country of some time ago', { place: PARIS, before: [...ago(24, BERLIN), ...ago(900, PARIS)] }, []],
    ['nobody knows where', { place: null }, []],
    ['nobody knew where before', { place: PARIS, before: ago(24, null) }, []],
    ['the country alone is known', { place: GERMANY, before: ago(1, BERLIN) }, []],
    ['another city of the country, an hour later', { before: ago(1, HAMBURG) }, []],
    [
      'across the world in two hours',
      { place: SYDNEY, before: ago(2, BERLIN) },
      ['new_country', 'impossible_travel'],
    ],
    ['across the world in a day', { place: SYDNEY, before: ago(24, BERLIN) }, ['new_country']],
    [
      'back across the world in two hours',
      { place: BERLIN, before: [...ago(2, SYDNEY), ...ago(90, BERLIN)] },
      ['impossible_travel'],
    ],
    [
      'over a sign-in whose place nobody knew',
      { place: SYDNEY, before: [...ago(1, null), ...ago(2, BERLIN), ...ago(99, SYDNEY)] },
      ['impossible_travel'],
    ],
    ['over the date line', { place: SAMOA, before: [...ago(2, FIJI), ...ago(99, SAMOA)] }, []],
    [
      'a clock set back',
      { place: SYDNEY, before: [...ago(-1, BERLIN), ...ago(99, SYDNEY)] },
      ['impossible_travel'],
    ],
    ['ninety days later', { lastAt: NOW - 90 * 24 * HOUR }, []],
    ['ninety-one days later', { lastAt: NOW - 91 * 24 * HOUR }, ['long_idle']],
    ['idle, and nothing is left of its past', { before: [], lastAt: NOW - 500 * 24 * HOUR }, ['long_idle']],
    ['nine failures', { failures: 9 }, []],
    ['ten failures', { failures: 10 }, ['many_failures']],
    [
      'everything',
      { place: SYDNEY, before: ago(1, BERLIN), lastAt: NOW - 100 * 24 * HOUR, failures: 50 },
      ['new_country', 'impossible_travel', 'long_idle', 'many_failures'],
    ],
  ]
  it.each(rows)('%s', (_, more, expected) => {
    expect(unusualReasons(facts(more))).toEqual(expected)
  })

  it('distances are those of the globe', () => {
    expect(kilometres(BERLIN, BERLIN)).toBe(0)
    expect(kilometres(BERLIN, PARIS)).toBeCloseTo(871, -1)
    expect(kilometres(BERLIN, SYDNEY)).toBeCloseTo(16_090, -2)
    expect(kilometres(FIJI, SAMOA)).toBeLessThan(1300)
    // The other side of it, where rounding would leave the domain of the arc sine.
    expect(kilometres({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 180 })).toBeCloseTo(20_015, -1)
  })
})
