import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { SignedOut } from '@/components/login/signed-out'
import { oidc } from '@/lib'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('signed_out.title') }
}

export default async function SignedOutPage({ searchParams }: { searchParams: Query }) {
  const view = oidc.signedOut(one((await searchParams).apps))
  return <SignedOut signInHref="/signin/start" frames={view?.frames} returnTo={view?.returnTo} />
}
