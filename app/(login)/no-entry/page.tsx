import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { currentCaller, one, type Query, startAgain } from '@/app/_lib/login'
import { brandOf } from '@/components/login/brand-of'
import { NoEntryForm } from '@/components/login/no-entry-form'
import { oidc, sessions, users } from '@/lib'
import { Branded, FlowProblem } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.no_entry'))('page_title'), robots: { index: false } }
}

/** Who is signed in may not enter the app that waits: said to nobody who has not proven who they are. */
export default async function NoEntryPage({ searchParams }: { searchParams: Query }) {
  const uid = one((await searchParams).request)
  const caller = await currentCaller()
  const waiting = await oidc.request(uid, caller)
  if (!waiting) return <FlowProblem refusal={{ code: 'flow_expired' }} />
  const facts = await sessions.check(caller.cookies)
  const start = `/signin/start?request=${encodeURIComponent(uid)}`
  const isTheirs = facts && facts.userId === waiting.account?.id
  if (waiting.prompt !== 'entry' || waiting.letIn || !isTheirs) redirect(start)
  const user = await users.get(facts.userId)
  if (!user) redirect(start)
  const { name, logoUri, redirectOrigin } = waiting.client
  return (
    <Branded client={brandOf(waiting.client)}>
      <NoEntryForm
        request={uid}
        action="/consent/submit"
        client={{ name, logo: logoUri }}
        account={{ email: user.email ?? user.id, name: user.name, avatarUrl: user.avatarPath }}
        anotherHref={startAgain(uid)}
        isDevice={redirectOrigin === ''}
      />
    </Branded>
  )
}
