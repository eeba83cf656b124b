import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, startAgain, toView } from '@/app/_lib/login'
import { SecondForm } from '@/components/login/second-form'
import { requests, signin } from '@/lib'
import { Branded, FlowProblem, waitingClient } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.second'))('title') }
}

/** The second step. `with` chooses another proof than the best one. */
export default async function SecondPage({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const flow = one(query.flow)
  if (!flow) redirect('/signin/start')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const { step, second, notice, request } = found.value
  const [best] = second?.offers ?? []
  if (step !== 'second' || !second || !best) redirect(at('/signin', flow))
  const { offers, sent, trustDays, why, reasons } = second
  const chosen = offers.find(({ method }) => method === one(query.with)) ?? best
  const settings = requests.settings()
  const client = await waitingClient(request, caller)
  return (
    <Branded client={client}>
      <SecondForm
        flow={flow}
        offers={offers}
        chosen={chosen}
        hrefOf={(way) => at('/signin/second', flow, { with: way })}
        why={why}
        reasons={reasons}
        product={settings.productName}
        client={client}
        sent={sent?.method === chosen.method ? sent : null}
        now={requests.nowMs()}
        trustDays={trustDays}
        notice={toView(notice)}
        recoverHref={settings.recoverySeconds > 0 ? '/recover' : null}
        startAgainHref={startAgain(request)}
        mailboxHref={settings.mailbox ? '/dev/mailbox' : null}
      />
    </Branded>
  )
}
