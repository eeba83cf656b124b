import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { signedIn } from '@/app/_lib/guard'
import { brandOf } from '@/components/login/brand-of'
import { DeviceConfirmForm } from '@/components/login/device-confirm-form'
import { oidc } from '@/lib'
import { accountOf, Branded } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.device'))('confirm_page_title'), robots: { index: false } }
}

/** Which app on which device asks, from where and when; always a question, never a yes by itself. */
export default async function DeviceConfirmPage() {
  const { session, user } = await signedIn('/device')
  const device = await oidc.device(session)
  if (!device) redirect('/device')
  if (device.state !== 'waiting') redirect('/device/done')
  return (
    <Branded client={brandOf(device.client)}>
      <DeviceConfirmForm
        action="/device/decide"
        mark={device.mark}
        client={{ name: device.client.name, logo: device.client.logoUri }}
        host={device.client.host}
        asked={device.asked}
        account={await accountOf(user)}
      />
    </Branded>
  )
}
