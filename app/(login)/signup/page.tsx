import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, toView } from '@/app/_lib/login'
import { type SignUpField, SignUpForm } from '@/components/login/sign-up-form'
import { requests, signin } from '@/lib'
import { FlowProblem, waitingClient } from '../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('sign_up.title') }
}

const FIELDS: readonly string[] = ['firstName', 'lastName', 'email', 'password'] satisfies SignUpField[]

export default async function SignUpPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  if (!flow) redirect('/signin/start?page=signup')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const view = found.value
  if (view.step === 'done' || view.reauth || view.signedInSince) redirect(at('/signin', flow))
  const { signUp, passwordMinLength } = requests.settings()
  if (!signUp) return <FlowProblem refusal={{ code: 'sign_up_closed' }} />
  const notice = view.typed.firstName === undefined ? null : toView(view.notice)
  const field = notice?.field && FIELDS.includes(notice.field) ? notice.field : null
  return (
    <SignUpForm
      flow={flow}
      action="/signup/submit"
      way="password"
      values={view.typed}
      errors={field && notice ? { [field]: notice } : {}}
      notice={field ? null : notice}
      passwordMinLength={passwordMinLength}
      signInHref={at('/signin', flow)}
      client={await waitingClient(view.request, caller)}
    />
  )
}
