import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { AskAddressForm } from '@/components/login/ask-address-form'
import { Effects } from '@/components/login/effects'
import { Problem } from '@/components/login/problem'
import { duration } from '@/components/login/words'
import { requests } from '@/lib'
import { recoverOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.recover'))('title') }
}

/** Delayed recovery: says how it goes before it begins. */
export default async function RecoverPage() {
  const { recoverySeconds } = requests.settings()
  const [t, forgot, refusals, outcome] = await Promise.all([
    getTranslations('recovery.recover'),
    getTranslations('recovery.forgot'),
    getTranslations('refusals'),
    recoverOutcome.last(),
  ])
  const back = { href: '/signin/start', label: forgot('back') }
  if (recoverySeconds === 0)
    return <Problem title={t('off_title')} text={refusals('recovery_off')} primary={back} />
  const refused = outcome && 'refused' in outcome ? outcome : null
  return (
    <AskAddressForm
      title={t('title')}
      lead={t('lead')}
      action="/recover/submit"
      email={refused?.email}
      notice={refused?.refused}
      submit={t('submit')}
      bottom={
        <a href={back.href} className="link">
          {back.label}
        </a>
      }
    >
      <p className="text-[0.9375rem] text-ink-2">{t('before')}</p>
      <Effects items={[t('one'), t('two'), t('three', { duration: await duration(recoverySeconds) })]} />
    </AskAddressForm>
  )
}
