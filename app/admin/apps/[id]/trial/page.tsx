import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { oidc } from '@/lib'
import type { ClientView, Trial } from '@/lib/oidc'
import { AppHead } from '../../../../../components/admin/app-head'
import { CodeBlock } from '../../../../../components/admin/code-block'
import { adminAppHref } from '../../../../../components/admin/kinds'
import { scopeWords } from '../../../../../components/scope-words'
import { Button } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { EmptyState } from '../../../../../components/ui/empty-state'
import { Icon } from '../../../../../components/ui/icon'
import {
  circleCheck,
  circleExclamationPoint,
  info,
  triangleExclamationPoint,
  usersRound,
} from '../../../../../components/ui/icons'
import { Checkbox } from '../../../../../components/ui/input'
import { Row, Rows } from '../../../../../components/ui/rows'
import { reauthHref } from '../../../../_lib/guard'
import type { Query } from '../../../../_lib/login'
import { appAsked } from '../../asked'

interface Props {
  params: Promise<{ id: string }>
  searchParams: Query
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { client } = await appAsked(params)
  return { title: (await getTranslations('admin.trial'))('page_title', { app: client.name }) }
}

/** What came of it if the operator signed in to the app now. Looks, and changes nothing: nothing is issued. */
export default async function TestSignIn({ params, searchParams }: Props) {
  const { session, user, client } = await appAsked(params)
  const query = await searchParams
  const scopes = query.test ? [query.scope ?? []].flat() : ['profile', 'email']
  const trial = await oidc.clients.trial(client.clientId, session, scopes)
  if (!trial) notFound()
  const [t, words] = await Promise.all([getTranslations('admin.trial'), scopeWords(client.name)])
  const path = `${adminAppHref(client.clientId)}/trial`
  if (!trial.forPeople)
    return (
      <>
        <AppHead client={client} />
        <Card id="trial" title={t('title')}>
          <EmptyState icon={usersRound} title={t('nobody_title')}>
            {t('nobody')}
          </EmptyState>
        </Card>
      </>
    )
  return (
    <>
      <AppHead client={client} />
      <div className="grid gap-5">
        <Card id="trial" title={t('title')} lead={t('lead')}>
          <form method="get" action={path} className="grid gap-5">
            <input type="hidden" name="test" value="1" />
            <fieldset className="grid gap-2.5">
              <legend className="mb-2 text-[0.9375rem] font-medium">{t('asks_for')}</legend>
              {oidc.TRIAL_SCOPES.filter((scope) => scope !== 'openid').map((scope) => (
                <Checkbox key={scope} name="scope" value={scope} defaultChecked={scopes.includes(scope)}>
                  <code className="font-mono">{scope}</code> · {words(scope).title}
                </Checkbox>
              ))}
            </fieldset>
            <div>
              <Button type="submit">{t('submit')}</Button>
            </div>
          </form>
        </Card>
        <Course
          client={client}
          trial={trial}
          who={user.email ?? user.name ?? user.id}
          titles={(trial.asks ?? []).map((scope) => words(scope).title)}
          again={reauthHref(
            `${path}?${new URLSearchParams([['test', '1'], ...scopes.map((s) => ['scope', s])])}`,
            true,
          )}
        />
        <Card id="gets" title={t('gets')} lead={t('gets_lead')}>
          <div className="grid gap-4">
            <CodeBlock title={t('id_token')} text={JSON.stringify(trial.idToken, null, 2)} />
            <CodeBlock title={t('userinfo')} text={JSON.stringify(trial.userinfo, null, 2)} />
          </div>
        </Card>
      </div>
    </>
  )
}

const MARKS = {
  yes: [circleCheck, 'text-success'],
  no: [circleExclamationPoint, 'text-danger'],
  step: [triangleExclamationPoint, 'text-warning'],
  note: [info, 'text-info'],
} as const

/** What would happen, one after the other. */
async function Course({
  client,
  trial,
  who,
  titles,
  again,
}: {
  client: ClientView
  trial: Trial
  who: string
  titles: string[]
  again: string
}) {
  const t = await getTranslations('admin.trial')
  const steps: Step[] = [[trial.off ? 'no' : 'yes', t(trial.off ? 'off' : 'on')]]
  const lacks = trial.lacks.find((reason) => reason === 'acr' || reason === 'max_age')
  if (trial.lacks.length === 0) steps.push(['yes', t('signed_in', { who })])
  else
    steps.push([
      'step',
      t(lacks ?? 'other', { who }),
      <a key="again" href={again} className="link">
        {t('again')}
      </a>,
    ])
  if (trial.entry.length > 0) {
    const { entryRoles, entryDomains } = client
    const lists = { role: entryRoles.join(', '), domain: entryDomains.join(', ') }
    const why = trial.entry.map((lack) => t(`entry_${lack}`, { list: lists[lack] })).join(' · ')
    steps.push(['no', t('entry', { who }), why])
    return <Steps title={t('course')} steps={steps} />
  }
  if (trial.asks) steps.push(['note', t('consent_asks'), titles.join(' · ')])
  else steps.push(['yes', t(client.firstParty ? 'consent_first_party' : 'consent_given')])
  const [uri] = client.redirectUris
  if (uri)
    steps.push([
      'note',
      t('goes_to'),
      <code key="uri" className="font-mono text-sm wrap-anywhere">
        {uri}
      </code>,
    ])
  if (!trial.off && trial.lacks.length === 0)
    steps.push([trial.good ? 'yes' : 'no', t(trial.good ? 'good' : 'not_good')])
  return <Steps title={t('course')} steps={steps} />
}

type Step = [keyof typeof MARKS, string, ReactNode?]

function Steps({ title: label, steps }: { title: string; steps: Step[] }) {
  return (
    <Card id="course" title={label} flush>
      <Rows label={label}>
        {steps.map(([mark, title, more]) => {
          const [shape, ink] = MARKS[mark]
          return (
            <Row key={title} start={<Icon of={shape} className={`mt-0.5 size-5 ${ink}`} />} title={title}>
              {more ? <p>{more}</p> : null}
            </Row>
          )
        })}
      </Rows>
    </Card>
  )
}
