import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { SignedOut } from '@/components/login/signed-out'
import { federation } from '@/lib'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.signed_out'))('title') }
}

export default async function SignedOutPage({ searchParams }: { searchParams: Query }) {
  const provider = federation.provider(one((await searchParams).with))
  return (
    <SignedOut
      signInHref="/signin/start"
      // Whoever makes up a link here gets an offer that does nothing by itself.
      also={provider?.logout ? { action: '/signout/with', provider: provider.id, name: provider.name } : null}
    />
  )
}
