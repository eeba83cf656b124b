/** Making a formatter costs some hundred times what using it does, so each kind is made once. */
const kept = new Map<string, Intl.DateTimeFormat>()

/** Readers choose their timezone; beyond this many kinds the oldest are made anew when asked for. */
const MAX_KEPT = 400

/** `new Intl.DateTimeFormat(locale, options)`, remembered. */
export function dateFormat(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = `${locale} ${JSON.stringify(options)}`
  const known = kept.get(name)
  if (known) return known
  const made = new Intl.DateTimeFormat(locale, options)
  const [oldest] = kept.size >= MAX_KEPT ? kept.keys() : []
  if (oldest !== undefined) kept.delete(oldest)
  kept.set(name, made)
  return made
}
