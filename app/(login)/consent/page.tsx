import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { currentCaller, one, type Query } from '@/app/_lib/login'
import { ConsentForm } from '@/components/login/consent-form'
import { federation, oidc, requests, sessions, users } from '@/lib'
import { Branded, FlowProblem } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('consent.page_title') }
}

export default async function ConsentPage({ searchParams }: { searchParams: Query }) {
  const uid = one((await searchParams).request)
  const caller = await currentCaller()
  const waiting = await oidc.request(uid, caller)
  if (!waiting) return <FlowProblem refusal={{ code: 'flow_expired' }} />
  const facts = await sessions.check(caller.cookies)
  const start = `/signin/start?request=${encodeURIComponent(uid)}`
  if (waiting.prompt !== 'consent' || !facts || facts.userId !== waiting.account?.id) redirect(start)
  const user = await users.get(facts.userId)
  if (!user) redirect(start)
  const { client } = waiting
  return (
    <Branded client={client} links={false}>
      <ConsentForm
        request={uid}
        action="/consent/submit"
        client={{
          name: client.name,
          logo: client.logoUri,
          policyUrl: client.policyUri,
          termsUrl: client.tosUri,
        }}
        account={{
          email: user.email ?? (user.isAnonymous ? (await getTranslations('login'))('guest.name') : user.id),
          name: user.name,
          avatarUrl: user.avatarPath,
        }}
        newScopes={waiting.newScopes}
        grantedScopes={waiting.allScopes.filter((scope) => !waiting.newScopes.includes(scope))}
        providers={Object.fromEntries(federation.providers().map(({ id, name }) => [id, name]))}
        apis={waiting.apiScopes}
        describedBy={client.registered === 'document' ? new URL(client.id).host : null}
        unverifiedBy={client.registered === 'open' ? requests.settings().productName : null}
        returnHost={client.redirectOrigin}
      />
    </Branded>
  )
}
