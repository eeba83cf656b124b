import { getTranslations } from 'next-intl/server'
import type { Receipts } from '@/lib/oidc'
import { Notice } from '../ui/notice'
import { appNames } from './apps'

interface Props {
  /** Sessions that ended. */
  count: number
  receipts: Receipts
}

/** What a sign-out did: how many sessions, which apps know of it, and which do not yet. */
export async function EndedNotice({ count, receipts: { apps, reached, trying, givenUp } }: Props) {
  const t = await getTranslations('account.sign_out')
  const named = async (state: 'trying' | 'given_up') => appNames(apps.filter((app) => app.state === state))
  return (
    <Notice kind={givenUp ? 'warning' : 'success'} live="status" title={t('done', { count })}>
      {reached ? <p>{t('reached', { count: reached })}</p> : null}
      {trying ? <p>{t('trying', { count: trying, apps: await named('trying') })}</p> : null}
      {givenUp ? <p>{t('given_up', { count: givenUp, apps: await named('given_up') })}</p> : null}
    </Notice>
  )
}
