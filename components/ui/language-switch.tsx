import { getLocale, getTranslations } from 'next-intl/server'
import { LANGUAGES } from '@/lib/texts'

/** The languages of the house by their own names. Buttons of one form: needs no script. */
export async function LanguageSwitch() {
  const [locale, t] = await Promise.all([getLocale(), getTranslations('ui')])
  return (
    <form method="post" action="/locale">
      <fieldset className="flex flex-wrap justify-center gap-x-1">
        <legend className="sr-only">{t('language')}</legend>
        {LANGUAGES.map((tag) => (
          <button
            key={tag}
            type="submit"
            name="locale"
            value={tag}
            lang={tag}
            aria-pressed={tag === locale}
            className="min-h-9 rounded-md px-2.5 py-1 hover:text-ink hover:underline aria-pressed:font-medium aria-pressed:text-ink aria-pressed:no-underline"
          >
            {nameOf(tag)}
          </button>
        ))}
      </fieldset>
    </form>
  )
}

const nameOf = (tag: string): string => new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag
