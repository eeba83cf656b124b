import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { SignedOut } from '@/components/login/signed-out'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('signed_out.title') }
}

export default function SignedOutPage() {
  return <SignedOut signInHref="/signin/start" />
}
