import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getLocale, getTranslations } from 'next-intl/server'
import { at, currentCaller, one, type Query, toView } from '@/app/_lib/login'
import { EnrollChoice, EnrollPasskey, EnrollSecurityKey, EnrollTotp } from '@/components/login/enroll-form'
import { dateFormat } from '@/components/ui/date-format'
import { dateLocale } from '@/components/ui/date-locale'
import { signin } from '@/lib'
import { Branded, FlowProblem, waitingClient } from '../../_parts'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.enroll'))('title') }
}

/** What may still be set up, or must be, before a sign-in is over. `with` is what the person chose. */
export default async function EnrollPage({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const flow = one(query.flow)
  if (!flow) redirect('/signin/start')
  const caller = await currentCaller()
  const found = await signin.expect(flow, caller)
  if (!found.ok) return <FlowProblem refusal={found.refusal} />
  const { step, enroll, request, notice: kept } = found.value
  if (step !== 'enroll' || !enroll) redirect(at('/signin', flow))
  const { methods, required, until, why, wanted } = enroll
  const notice = toView(kept)
  const later = !required || until !== null
  const client = await waitingClient(request, caller)
  const hrefOf = (way: string) => at('/signin/enroll', flow, { with: way })
  if (methods.length === 1 && wanted === 'passkey')
    return (
      <Branded client={client}>
        <EnrollPasskey
          flow={flow}
          reason={required ? 'needed' : why === 'sign_up' ? why : 'offer'}
          later={later}
          notice={notice}
        />
      </Branded>
    )
  const chosen = methods.find((method) => method === (one(query.with) || wanted))
  const frame = { flow, notice, backHref: methods.length > 1 ? hrefOf('another') : null }
  if (chosen === 'passkey')
    return (
      <Branded client={client}>
        <EnrollPasskey {...frame} reason="chosen" later={later} />
      </Branded>
    )
  if (chosen === 'security_key')
    return (
      <Branded client={client}>
        <EnrollSecurityKey {...frame} />
      </Branded>
    )
  if (chosen === 'totp') {
    const enrolment = await signin.enrollTotp(flow, caller)
    if (enrolment.ok)
      return (
        <Branded client={client}>
          <EnrollTotp {...frame} enrolment={enrolment.value} />
        </Branded>
      )
  }
  return (
    <Branded client={client}>
      <EnrollChoice
        flow={flow}
        ways={methods}
        hrefOf={hrefOf}
        lead={await leadOf(why, required, client?.name)}
        later={later ? { until: until === null ? null : await dayOf(until) } : null}
        notice={notice}
      />
    </Branded>
  )
}

async function leadOf(why: string, required: boolean, app: string | undefined) {
  const t = await getTranslations('login.enroll')
  if (!required) return t('lead_encouraged')
  if (why !== 'app') return t('lead_policy')
  return app ? t('lead_app', { app }) : t('lead_app_unnamed')
}

/** A day in words, in UTC: nobody is signed in whose timezone could be asked. */
async function dayOf(at: number): Promise<string> {
  return dateFormat(dateLocale(await getLocale()), { timeZone: 'UTC', dateStyle: 'long' }).format(at)
}
