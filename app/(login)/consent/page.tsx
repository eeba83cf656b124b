import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import type { Query } from '@/app/_lib/login'
import { ConsentForm } from '@/components/login/consent-form'
import { federation, requests } from '@/lib'
import { accountOf, Branded, FlowProblem, questionOf } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('consent.page_title') }
}

export default async function ConsentPage({ searchParams }: { searchParams: Query }) {
  const question = await questionOf(searchParams)
  if (!question) return <FlowProblem refusal={{ code: 'flow_expired' }} />
  const { uid, waiting, user, start } = question
  if (waiting.prompt !== 'consent') redirect(start)
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
        account={await accountOf(user)}
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
