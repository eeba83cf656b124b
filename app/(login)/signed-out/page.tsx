import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { SignedOut } from '@/components/login/signed-out'
import { federation, oidc } from '@/lib'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.signed_out'))('title') }
}

export default async function SignedOutPage({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const provider = federation.provider(one(query.with))
  const view = oidc.signedOut(one(query.apps))
  return (
    <SignedOut
      signInHref="/signin/start"
      // Whoever makes up a link here gets an offer that does nothing by itself.
      also={provider?.logout ? { action: '/signout/with', provider: provider.id, name: provider.name } : null}
      frames={view?.frames}
      returnTo={view?.returnTo}
    />
  )
}
