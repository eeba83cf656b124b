import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, toView } from '@/app/_lib/login'
import { ProviderButtons } from '@/components/login/provider-buttons'
import { type SignUpField, SignUpForm } from '@/components/login/sign-up-form'
import { requests, signin } from '@/lib'
import { Branded, FlowProblem, waitingClient } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('sign_up.title') }
}

const FIELDS: readonly string[] = ['firstName', 'lastName', 'email', 'password'] satisfies SignUpField[]

export default async function SignUpPage({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const flow = one(query.flow)
  if (!flow) redirect('/signin/start?page=signup')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const view = found.value
  const begins = view.step === 'identify' || view.step === 'verify_email'
  if (!begins || view.reauth || view.linking || view.signedInSince) redirect(at('/signin', flow))
  const { signUp, passwordMinLength } = requests.settings()
  const ways = (['password', 'passkey'] as const).filter((way) => view.ways.includes(way))
  const way = ways.find((one) => one === query.way) ?? ways[0] ?? 'passkey'
  if (!signUp) return <FlowProblem refusal={{ code: 'sign_up_closed' }} />
  const notice = view.typed.firstName === undefined ? null : toView(view.notice)
  const field = notice?.field && FIELDS.includes(notice.field) ? notice.field : null
  const client = await waitingClient(view.request, caller)
  return (
    <Branded client={client}>
      <SignUpForm
        flow={flow}
        action="/signup/submit"
        way={way}
        otherWayHref={
          ways.length > 1 ? at('/signup', flow, { way: ways.find((other) => other !== way) }) : null
        }
        values={view.typed}
        errors={field && notice ? { [field]: notice } : {}}
        notice={field ? null : notice}
        providersSlot={
          view.providers.length > 0 ? <ProviderButtons flow={flow} providers={view.providers} /> : null
        }
        passwordMinLength={passwordMinLength}
        signInHref={at('/signin', flow)}
        client={client}
        guest={view.guest}
      />
    </Branded>
  )
}
