import { getTranslations } from 'next-intl/server'
import { brandOf, ProviderMark } from '../providers/marks'
import { cx } from '../ui/cx'
import { Icon } from '../ui/icon'
import { chevronDown } from '../ui/icons'
import { SubmitButton } from '../ui/submit-button'

export interface ProviderChoice {
  id: string
  name: string
  brand: string | null
  /** Last used in this browser. */
  last: boolean
}

interface Props {
  flow: string
  providers: ProviderChoice[]
}

/** So many stand there at once; where there are more the rest unfolds. */
const SHOWN = 4

/**
 * Buttons that lead to other providers, in the operator's order, the one last used here first. Each is a post of its own
 * address: opening a page starts nothing (login CSRF). Works without script.
 */
export async function ProviderButtons({ flow, providers }: Props) {
  const t = await getTranslations('login.providers')
  const ordered = [...providers].sort((a, b) => Number(b.last) - Number(a.last))
  const fold = ordered.length > SHOWN + 1 ? SHOWN : ordered.length
  const [shown, more] = [ordered.slice(0, fold), ordered.slice(fold)]
  return (
    <form method="post" className="grid gap-3">
      <input type="hidden" name="flow" value={flow} />
      {await Promise.all(shown.map((provider) => <ProviderButton key={provider.id} {...provider} />))}
      {more.length > 0 ? (
        <details className="group grid">
          <summary className="btn quiet w-full group-open:mb-3">
            {t('more', { count: more.length })}
            <Icon of={chevronDown} className="size-4 group-open:rotate-180" />
          </summary>
          <div className="grid gap-3">
            {more.map((provider) => (
              <ProviderButton key={provider.id} {...provider} />
            ))}
          </div>
        </details>
      ) : null}
    </form>
  )
}

async function ProviderButton({ id, name, brand, last }: ProviderChoice) {
  const [t, ui] = await Promise.all([getTranslations('login.providers'), getTranslations('ui')])
  const known = brandOf(brand)
  // The words that their guidelines allow.
  const words = t(known === 'microsoft' ? 'microsoft' : known === 'apple' ? 'apple' : 'continue', { name })
  return (
    <SubmitButton
      wide
      look="secondary"
      className={cx('provider', known)}
      formAction={`/signin/with/${id}`}
      workingLabel={ui('working')}
    >
      <ProviderMark brand={brand} />
      <span className="wrap-anywhere">{words}</span>
      {last ? <span className="badge brand absolute -top-2.5 right-3">{t('last')}</span> : null}
    </SubmitButton>
  )
}
