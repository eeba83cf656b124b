/**
 * Passwords that are guessed first: 49,000 common ones and what people make of them (PW2; NIST SP
 * 800-63B-4 section 3.1.1.2 "commonly used, expected or compromised"; ASVS 6.2.4, 6.2.11).
 * No composition rules anywhere: a password is refused for being guessed, never for its kinds of letters.
 */

import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common'

/** Who guesses online gets far less than this; a password that falls earlier is as good as common. */
const MIN_GUESSES_LOG10 = 8
/**
 * The estimator looks at a window of this many characters: its time grows with the square and
 * more of the length, and a window of chance this long is out of reach anyway.
 */
const WINDOW = 24
/** A core with this many characters of decoration (a year and a mark) is still the core. */
const MAX_DECORATION = 6
const MIN_CORE = 4
/** What must remain of a password when words that everybody could expect are taken out. */
const MIN_REST = 8

const common = new Set(dictionary['passwords-common'].map((word) => word.toLowerCase()))

const estimator = new ZxcvbnFactory({
  dictionary: { common: dictionary['passwords-common'] },
  graphs: adjacencyGraphs,
  maxLength: WINDOW,
  // Trying every substitution multiplies the time; the two readings of `unleet` cover what people do.
  l33tTable: {},
})

/** One spelling of a text: compatibility forms and case folded. */
export const fold = (text: string): string => text.normalize('NFKC').toLowerCase()

const LEET: Record<string, string> = {
  '0': 'o',
  '1': 'i',
  '!': 'i',
  '|': 'l',
  '3': 'e',
  '€': 'e',
  '4': 'a',
  '@': 'a',
  '5': 's',
  $: 's',
  '6': 'g',
  '7': 't',
  '+': 't',
  '8': 'b',
  '9': 'g',
}

/** Reads figures and marks as the letters they stand for. "1" may be i or l: both readings. */
const unleet = (text: string): string[] => {
  const read = (one: string) => [...text].map((c) => (c === '1' || c === '!' ? one : (LEET[c] ?? c))).join('')
  return [read('i'), read('l')]
}

const readings = (text: string): string[] => [text, ...unleet(text)]

const isCommonWord = (text: string): boolean => readings(text).some((reading) => common.has(reading))

/** The shortest text that gives `text` when repeated (the last time perhaps cut short). */
function unitOf(text: string): string {
  for (let length = 1; length <= text.length / 2; length++) {
    let same = true
    for (let i = length; same && i < text.length; i++) same = text[i] === text[i - length]
    if (same) return text.slice(0, length)
  }
  return text
}

/**
 * True for a common password, one in other letters (p@ssw0rd), decorated (Summer2026!), repeated, or
 * made of keyboard rows, sequences and dates only.
 * @param expected words that an attacker would try with this person
 */
export function isGuessable(plain: string, expected: string[]): boolean {
  const folded = fold(plain)
  if (isCommonWord(folded)) return true
  const unit = unitOf(folded)
  if (unit.length < folded.length && (unit.length <= 6 || isGuessable(unit, expected))) return true
  for (const text of [folded, ...unleet(folded)]) {
    const core = text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
    if (core.length >= MIN_CORE && text.length - core.length <= MAX_DECORATION && isCommonWord(core))
      return true
  }
  // Weak in front and weak behind: one strong end is enough for a long password.
  const ends = plain.length > WINDOW ? [plain.slice(0, WINDOW), plain.slice(-WINDOW)] : [plain]
  return ends.every((end) =>
    [end, ...unleet(fold(end))].some(
      (reading) => estimator.check(reading, expected).guessesLog10 < MIN_GUESSES_LOG10,
    ),
  )
}

/** Words of a text that are long enough to count: "mara.voss@corp-mail.example" → mara, voss, corp, mail, … */
export function wordsOf(text: string): string[] {
  const folded = fold(text)
  const words = folded.split(/[^\p{L}\p{N}]+/u)
  return [...new Set([folded.replace(/[^\p{L}\p{N}]+/gu, ''), ...words])].filter((word) => word.length >= 3)
}

/**
 * True when a password is little more than words everybody could expect: what is left without them
 * has fewer than eight characters.
 */
export function isMadeOf(plain: string, words: string[]): boolean {
  const longestFirst = [...words].sort((a, b) => b.length - a.length)
  return readings(fold(plain)).some((reading) => {
    let rest = reading
    for (const word of longestFirst.filter((w) => w.length >= MIN_CORE)) rest = rest.replaceAll(word, '')
    const left = rest.replace(/[^\p{L}\p{N}]+/gu, '')
    return rest !== reading && [...left].length < MIN_REST
  })
}
