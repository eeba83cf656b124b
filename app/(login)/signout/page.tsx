import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { currentCaller, one, type Query } from '@/app/_lib/login'
import { SignOutForm } from '@/components/login/sign-out-form'
import { oidc, requests, sessions, users } from '@/lib'
import { accountOf } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('sign_out.title') }
}

export default async function SignOutPage({ searchParams }: { searchParams: Query }) {
  const facts = await sessions.check((await currentCaller()).cookies)
  if (!facts) redirect('/signed-out')
  const asked = await oidc.logoutRequest(one((await searchParams).request), facts)
  const user = await users.get(facts.userId)
  return (
    <SignOutForm
      product={requests.settings().productName}
      action="/signout/submit"
      hidden={asked ? { request: asked.id } : {}}
      client={asked?.client && { name: asked.client.name, logo: asked.client.logoUri }}
      account={user && (await accountOf(user))}
      guest={user?.isAnonymous}
      stay={{ href: '/account' }}
    />
  )
}
