import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { oidc } from '@/lib'
import { AppHead } from '../../../../../components/admin/app-head'
import { CodeBlock, CopyText } from '../../../../../components/admin/code-block'
import { adminAppHref } from '../../../../../components/admin/kinds'
import { introspects, SCOPE, type Snippet, snippetsFor } from '../../../../../components/admin/snippets'
import { Card } from '../../../../../components/ui/card'
import { Notice } from '../../../../../components/ui/notice'
import { Row, Rows } from '../../../../../components/ui/rows'
import { appAsked } from '../../asked'

interface Props {
  params: Promise<{ id: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { client } = await appAsked(params)
  return { title: (await getTranslations('admin.connect'))('title', { app: client.name }) }
}

/** How the app is connected: what its library asks for, and code that is ready to be pasted. */
export default async function Connect({ params }: Props) {
  const { client } = await appAsked(params)
  const t = await getTranslations('admin.connect')
  const at = oidc.endpoints()
  const people = client.grants.includes('authorization_code')
  const device = client.grants.includes('device_code')
  const has = (is: boolean, term: string, text: string | undefined): [string, string][] =>
    is && text ? [[term, text]] : []
  const rows: [string, string][] = [
    [t('issuer'), at.issuer],
    [t('discovery'), at.discovery],
    [t('client_id'), client.clientId],
    ...has(people || device, t('scopes'), SCOPE),
    ...has(people, t('redirect_uri'), client.redirectUris[0]),
    ...has(people, t('authorization'), at.authorization),
    ...has(client.security !== 'standard', t('pushed'), at.pushedRequests),
    ...has(device, t('device'), at.device),
    ...has(client.grants.length > 0, t('token'), at.token),
    ...has(people || device, t('userinfo'), at.userinfo),
    ...has(introspects(client), t('introspection'), at.introspection),
    ...has(people, t('sign_out'), at.endSession),
    [t('keys'), at.jwks],
  ]
  return (
    <>
      <AppHead client={client} />
      <div className="grid gap-5">
        {snippetsFor(client, at.issuer).map((snippet) => (
          <SnippetCard
            key={snippet.library}
            snippet={snippet}
            editHref={`${adminAppHref(client.clientId)}/edit`}
          />
        ))}
        <Card id="generic" title={t('generic')} lead={t('generic_lead')} flush>
          <Rows label={t('generic')}>
            {rows.map(([term, text]) => (
              <Row key={term} title={term} end={<CopyText text={text} />}>
                <code className="font-mono text-sm wrap-anywhere">{text}</code>
              </Row>
            ))}
          </Rows>
        </Card>
      </div>
    </>
  )
}

async function SnippetCard({ snippet, editHref }: { snippet: Snippet; editHref: string }) {
  const t = await getTranslations('admin.connect')
  return (
    <Card id={snippet.library} title={t(snippet.library)} lead={t(`${snippet.library}_lead`)}>
      <div className="grid gap-4">
        {snippet.missing ? (
          <Notice kind="warning">
            {t.rich('missing', {
              uri: snippet.missing,
              code: (chunks) => <code className="font-mono text-sm wrap-anywhere">{chunks}</code>,
              link: (chunks) => (
                <a href={`${editHref}#addresses`} className="link">
                  {chunks}
                </a>
              ),
            })}
          </Notice>
        ) : null}
        {snippet.files.map(({ name, text }, index) => {
          const title = name === 'sh' ? t('shell') : name
          const label = `${snippet.library} ${index + 1}: ${title}`
          return <CodeBlock key={label} title={title} label={label} text={text} />
        })}
      </div>
    </Card>
  )
}
