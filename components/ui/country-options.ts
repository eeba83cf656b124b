/** A country of a picker. */
export interface CountryOption {
  /** ISO 3166. */
  code: string
  /** "Germany (+49)", in the reader's language. */
  label: string
}

/** Countries by name in the reader's language, in the order of that language. */
export function countryOptions(
  countries: readonly { code: string; callingCode: string }[],
  locale: string,
): CountryOption[] {
  const names = new Intl.DisplayNames([locale], { type: 'region' })
  return countries
    .map(({ code, callingCode }) => ({ code, label: `${names.of(code) ?? code} (+${callingCode})` }))
    .sort((a, b) => a.label.localeCompare(b.label, locale))
}
