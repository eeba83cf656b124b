import { getTranslations } from 'next-intl/server'
import type { Removal } from '@/lib/oidc'
import { Notice } from '../ui/notice'

interface Props {
  removal: Removal
  product: string
}

/** What the removal of an app ended, whether the app knows, and what happens at the next visit. */
export async function RemovedNotice({ removal, product }: Props) {
  const t = await getTranslations('account.apps')
  const { name, sessions, tokens, state, firstParty } = removal
  return (
    <Notice
      kind={state === 'given_up' ? 'warning' : 'success'}
      live="status"
      title={<span className="wrap-anywhere">{t('removed', { app: name })}</span>}
    >
      <p>{t('removed_ended', { sessions, tokens })}</p>
      {state ? <p>{t(`removed_${state}`)}</p> : null}
      <p>{firstParty ? t('remove_again_first_party', { product }) : t('remove_again')}</p>
    </Notice>
  )
}
