import { getLocale, getTranslations } from 'next-intl/server'
import { countryOptions } from '../ui/country-options'
import { PhoneInput } from '../ui/phone-input'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { SmsTrouble } from './sms-trouble'
import { RefusalNotice, type RefusalView, refusalText } from './words'

interface Props {
  flow: string
  /** Where the form posts: `flow`, `country`, `phone`. */
  action: string
  /** ISO 3166 and calling code of each country that messages go to. */
  countries: readonly { code: string; callingCode: string }[]
  /** Chosen beforehand: where the browser's language is at home. */
  country?: string | null
  notice?: RefusalView | null
  /** Text messages do not get through at the moment. */
  troubled?: boolean
  backHref: string
}

/** A mobile number, with its country or in international form. Works without script. */
export async function PhoneForm({ flow, action, countries, country, notice, troubled, backHref }: Props) {
  const [t, ui, locale] = await Promise.all([getTranslations('login'), getTranslations('ui'), getLocale()])
  const aboutField = notice?.field === 'phone' ? await refusalText(notice) : undefined
  return (
    <AuthCard
      title={t('phone.title')}
      lead={t('phone.lead')}
      bottom={
        <a href={backHref} className="link">
          {t('phone.back')}
        </a>
      }
    >
      {troubled ? <SmsTrouble emailHref={backHref} /> : null}
      {notice && !aboutField ? <RefusalNotice refusal={notice} /> : null}
      <form method="post" action={action} className="grid gap-5">
        <input type="hidden" name="flow" value={flow} />
        <PhoneInput
          options={countryOptions(countries, locale)}
          countryName="country"
          numberName="phone"
          country={country ?? undefined}
          labels={{ country: t('phone.country'), number: t('phone.number') }}
          error={aboutField}
          stacked
          autoFocus
        />
        <SubmitButton wide workingLabel={ui('working')}>
          {t('phone.submit')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
