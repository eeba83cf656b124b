import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { signedIn } from '@/app/_lib/guard'
import { brandOf } from '@/components/login/brand-of'
import { DeviceDone } from '@/components/login/device-done'
import { oidc } from '@/lib'
import { Branded } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.device'))('done_page_title'), robots: { index: false } }
}

/** What became of it, as the store has it. */
export default async function DeviceDonePage() {
  const { session } = await signedIn('/device')
  const device = await oidc.device(session)
  return (
    <Branded client={device && brandOf(device.client)}>
      <DeviceDone state={device?.state ?? 'waiting'} app={device?.client.name ?? null} />
    </Branded>
  )
}
