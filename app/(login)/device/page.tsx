import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { signedIn } from '@/app/_lib/guard'
import { one, type Query } from '@/app/_lib/login'
import { DeviceCodeForm } from '@/components/login/device-code-form'
import { accountOf } from '../_parts'
import { deviceOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.device'))('title'), robots: { index: false } }
}

/** Where the code of a device is typed. A link that has it in its address fills it in, and does nothing. */
export default async function DevicePage({ searchParams }: { searchParams: Query }) {
  const code = one((await searchParams).user_code).slice(0, 20)
  const { user } = await signedIn(code ? `/device?user_code=${encodeURIComponent(code)}` : '/device')
  return (
    <DeviceCodeForm
      action="/device/check"
      code={code}
      account={await accountOf(user)}
      notice={await deviceOutcome.last()}
    />
  )
}
