/** The BCP 47 tag that dates are written by: English as most of the world writes it, day first and 24 hours. */
export const dateLocale = (locale: string): string => (locale === 'en' ? 'en-GB' : locale)
