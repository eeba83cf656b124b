import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { type Query, startAgain } from '@/app/_lib/login'
import { brandOf } from '@/components/login/brand-of'
import { NoEntryForm } from '@/components/login/no-entry-form'
import { accountOf, Branded, FlowProblem, questionOf } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.no_entry'))('page_title'), robots: { index: false } }
}

/** Who is signed in may not enter the app that waits: said to nobody who has not proven who they are. */
export default async function NoEntryPage({ searchParams }: { searchParams: Query }) {
  const question = await questionOf(searchParams)
  if (!question) return <FlowProblem refusal={{ code: 'flow_expired' }} />
  const { uid, waiting, user, start } = question
  if (waiting.prompt !== 'entry' || waiting.letIn) redirect(start)
  const { name, logoUri, redirectOrigin } = waiting.client
  return (
    <Branded client={brandOf(waiting.client)}>
      <NoEntryForm
        request={uid}
        action="/consent/submit"
        client={{ name, logo: logoUri }}
        account={await accountOf(user)}
        anotherHref={startAgain(uid)}
        isDevice={redirectOrigin === ''}
      />
    </Branded>
  )
}
