import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { clinic, oidc, users } from '@/lib'
import type { ClientView } from '@/lib/oidc'
import { ClinicReport } from '../../../../../components/admin/clinic-report'
import { CommandLine } from '../../../../../components/admin/command-line'
import { adminAppHref } from '../../../../../components/admin/kinds'
import { Card } from '../../../../../components/ui/card'
import { EmptyState } from '../../../../../components/ui/empty-state'
import { clock } from '../../../../../components/ui/icons'
import { Notice } from '../../../../../components/ui/notice'
import { PageHeader } from '../../../../../components/ui/page-header'
import { appAsked } from '../../asked'

interface Props {
  params: Promise<{ id: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { client } = await appAsked(params)
  return { title: (await getTranslations('clinic.page'))('title_of', { app: client.name }) }
}

/** What an app accepted of a bad provider, and how that is found out. Nothing is sent to the app from here. */
export default async function Clinic({ params }: Props) {
  const { user, client } = await appAsked(params)
  const [t, profile, report] = await Promise.all([
    getTranslations('clinic.page'),
    users.profile.get(user.id),
    clinic.newest(client.clientId, client.createdAt),
  ])
  const times = { timeZone: profile?.timezone ?? 'UTC', now: Date.now() }
  return (
    <>
      <p className="mb-2 text-[0.9375rem]">
        <a href={adminAppHref(client.clientId)} className="link">
          {t('back')}
        </a>
      </p>
      <PageHeader title={<span className="wrap-anywhere">{t('title_of', { app: client.name })}</span>}>
        <p className="max-w-2xl text-ink-2">{t('lead')}</p>
      </PageHeader>
      <div className="grid gap-5">
        {report ? (
          <ClinicReport
            {...times}
            at={report.at}
            startUrl={report.startUrl}
            counts={clinic.sum(report.results)}
            groups={clinic.GROUPS}
            lines={report.results.map((result) => ({
              ...result,
              ...clinic.CHECKS[result.check],
              verdict: clinic.verdict(result),
            }))}
          />
        ) : (
          <Card id="report" title={t('report')} flush>
            <EmptyState icon={clock} title={t('none_title')}>
              {t('none')}
            </EmptyState>
          </Card>
        )}
        <HowTo client={client} />
      </div>
    </>
  )
}

/** Where the app's sign-in may begin: at the place that it comes back to. */
function startOf({ redirectUris }: ClientView): string {
  const uri = redirectUris.find((one) => /^https?:/.test(one)) ?? 'http://localhost:8080'
  return new URL('/login', uri).href
}

async function HowTo({ client }: { client: ClientView }) {
  const t = await getTranslations('clinic.page')
  const { clientId } = client
  if (!client.grants.includes('authorization_code'))
    return (
      <Card id="how" title={t('how')}>
        <p className="text-ink-2">{t('no_people')}</p>
      </Card>
    )
  if (!client.testClient && !oidc.clients.canChange(client, 'testClient'))
    return (
      <Card id="how" title={t('how')}>
        <p className="text-ink-2">{t('documented')}</p>
      </Card>
    )
  const step = (text: string, command?: string): ReactNode => (
    <li>
      <p>{text}</p>
      {command ? <CommandLine text={command} /> : null}
    </li>
  )
  return (
    <Card id="how" title={t('how')} lead={t('how_text')}>
      {client.testClient ? null : (
        <Notice kind="warning" className="mb-5">
          {t('not_test')}
        </Notice>
      )}
      <ol className="grid list-decimal gap-4 ps-5">
        {client.testClient
          ? null
          : step(t('step_flag'), `npx gatehouse client update ${clientId} --test-client`)}
        {step(t('step_run'), `npx gatehouse clinic ${clientId} --start-url ${startOf(client)}`)}
        {step(t('step_issuer'))}
      </ol>
    </Card>
  )
}
