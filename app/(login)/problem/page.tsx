import type { Metadata } from 'next'
import { headers } from 'next/headers'
import { getTranslations } from 'next-intl/server'
import { currentCaller, one, type Query } from '@/app/_lib/login'
import { Problem } from '@/components/login/problem'
import type { RefusalCode } from '@/lib/base/refusals'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login'))('problem.generic_title') }
}

/** What a URL may ask this page to say: refusals whose words name nobody and ask for nothing. */
const SHOWN: readonly string[] = [
  'csrf',
  'flow_expired',
  'flow_foreign_browser',
  'invalid_input',
  'not_found',
  'rate_limited',
  'stores_down',
] satisfies RefusalCode[]

/** Errors of the protocol that have words of their own; the rest say what a person can do about any of them. */
const EXPLAINED = ['request_expired', 'invalid_redirect_uri', 'invalid_client', 'session_not_found'] as const
type Explained = (typeof EXPLAINED)[number]
const isExplained = (code: string): code is Explained => (EXPLAINED as readonly string[]).includes(code)

/** Where an error of a sign-in ends that cannot be told to the app: in words, with the log's reference. */
export default async function ProblemPage({ searchParams }: { searchParams: Query }) {
  const [query, sent, caller] = [await searchParams, await headers(), await currentCaller()]
  const code = sent.get('x-gatehouse-problem') ?? one(query.code)
  const app = decodeURIComponent(sent.get('x-gatehouse-problem-app') ?? '')
  if (SHOWN.includes(code)) {
    return (
      <Problem refusal={{ code: code as RefusalCode }} reference={caller.requestId} primary={{ href: '/' }} />
    )
  }
  const t = await getTranslations('login.problem')
  const name = isExplained(code) ? code : 'protocol'
  return (
    <Problem
      title={t(`${name}_title`)}
      text={app ? t(`${name}_text_app`, { app }) : t(`${name}_text`)}
      reference={caller.requestId}
      primary={{ href: '/', label: t('home') }}
    />
  )
}
