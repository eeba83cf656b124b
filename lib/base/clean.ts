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
