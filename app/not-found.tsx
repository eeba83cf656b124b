import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { requests } from '@/lib'
import { AuthCard, AuthShell } from '../components/login/auth-shell'
import { LinkButton } from '../components/ui/button'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('ui.not_found'))('title') }
}

export default async function NotFound() {
  const t = await getTranslations('ui.not_found')
  const { productName, logoUrl } = requests.settings()
  return (
    <AuthShell product={productName} logoUrl={logoUrl}>
      <AuthCard title={t('title')} lead={t('text')}>
        <div className="grid gap-3">
          <LinkButton href="/">{t('home')}</LinkButton>
          <LinkButton href="/account" look="secondary">
            {t('account')}
          </LinkButton>
        </div>
      </AuthCard>
    </AuthShell>
  )
}
