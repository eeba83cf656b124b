import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { requests } from '@/lib'
import { AuthShell } from '../components/login/auth-shell'
import { LinkButton } from '../components/ui/button'
import { Icon } from '../components/ui/icon'
import { badgeCheck, monitorSmartphone, shieldCheck } from '../components/ui/icons'
import { whoIs } from './_lib/guard'

export default async function Landing() {
  const { session } = await whoIs()
  if (session) redirect('/account')
  const t = await getTranslations('ui.landing')
  const { productName, logoUrl, signUp } = requests.settings()
  const points = [
    [shieldCheck, t('point_one_title'), t('point_one')],
    [monitorSmartphone, t('point_two_title'), t('point_two')],
    [badgeCheck, t('point_three_title'), t('point_three')],
  ] as const
  return (
    <AuthShell product={productName} logoUrl={logoUrl}>
      <div className="rounded-[1.25rem] border border-line bg-surface px-5 py-8 shadow-2 sm:px-9 sm:py-10">
        <h1 className="text-[1.875rem] leading-tight font-semibold tracking-[-0.025em]">{t('title')}</h1>
        <p className="mt-3 text-ink-2">{t('text', { product: productName })}</p>
        <div className="mt-7 grid gap-3 sm:grid-cols-2">
          <LinkButton href="/signin/start?to=/account">{t('sign_in')}</LinkButton>
          {signUp ? (
            <LinkButton href="/signin/start?to=/account&page=signup" look="secondary">
              {t('sign_up')}
            </LinkButton>
          ) : null}
        </div>
        <ul className="mt-8 grid gap-5 border-t border-line pt-7">
          {points.map(([shape, title, text]) => (
            <li key={title} className="flex gap-3.5">
              <span className="grid size-10 shrink-0 place-items-center rounded-control bg-brand-soft text-brand-ink">
                <Icon of={shape} />
              </span>
              <span>
                <span className="block font-medium">{title}</span>
                <span className="block text-[0.9375rem] text-ink-2">{text}</span>
              </span>
            </li>
          ))}
        </ul>
      </div>
    </AuthShell>
  )
}
