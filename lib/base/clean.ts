/** Text from outside, fit for a log, an event or a page: no control characters, bounded. */
export function cleanText(text: string, maxLength: number): string {
  return (
    text
      .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, ' ')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, maxLength)
      // The cut may fall within a pair; half a character is no text that jsonb would take.
      .toWellFormed()
  )
}

/**
 * Whether PostgreSQL can keep a text, or a plain JSON value with every text in it: no NUL, no half of a pair (jsonb takes
 * neither), and no deeper than anything that is meant.
 */
export function isStorable(value: unknown, depth = 32): boolean {
  if (typeof value === 'string') return !value.includes('\u0000') && value.isWellFormed()
  if (value === null || typeof value !== 'object') return true
  return (
    depth > 0 &&
    Object.entries(value).every(([name, inner]) => isStorable(name) && isStorable(inner, depth - 1))
  )
}
