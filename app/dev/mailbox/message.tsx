import { getTranslations } from 'next-intl/server'
import type { MailboxMessage } from '@/lib/notify'
import { Card } from '../../../components/ui/card'
import { CopyButton } from '../../../components/ui/copy-button'
import { Icon } from '../../../components/ui/icon'
import { check, copy } from '../../../components/ui/icons'

/** One message: what one came for (code, links) first, then the mail in a frame of its own, or the text. */
export async function Message({ mail }: { mail: MailboxMessage }) {
  const t = await getTranslations('mail.mailbox')
  return (
    <Card
      id="message"
      title={mail.html ? mail.subject : t('text_message')}
      lead={
        <>
          {t('to', { address: mail.to })} ·{' '}
          <time dateTime={mail.at}>{mail.at.slice(0, 19).replace('T', ' ')} UTC</time>
        </>
      }
    >
      {mail.codes.map((code) => (
        <p key={code} className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-2">
          <span className="text-ink-2">{t('code')}</span>
          <code className="font-mono text-2xl font-semibold tracking-[0.2em]">{code}</code>
          <CopyButton
            text={code}
            label={t('copy_code')}
            copiedLabel={t('copy_code')}
            icon={<Icon of={copy} />}
            copiedIcon={<Icon of={check} />}
          />
        </p>
      ))}
      {mail.links.length > 0 ? (
        <>
          <h3 className="text-sm font-medium text-ink-2">{t('links')}</h3>
          <ul className="mt-1 mb-5 grid gap-1">
            {mail.links.map((link) => (
              <li key={link}>
                <a href={link} className="break-all text-brand-ink underline">
                  {link}
                </a>
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {mail.html ? (
        <>
          <iframe
            key={mail.id}
            title={t('body')}
            src={`/dev/mailbox/${mail.id}/body`}
            sandbox="allow-popups allow-popups-to-escape-sandbox"
            className="h-[46rem] w-full rounded-control border border-line bg-surface"
          />
          <details className="mt-4">
            <summary className="w-fit cursor-pointer text-brand-ink underline">{t('as_text')}</summary>
            <pre className="mt-2 rounded-control bg-sunken p-4 font-mono text-sm break-words whitespace-pre-wrap">
              {mail.text}
            </pre>
          </details>
        </>
      ) : (
        <pre className="max-w-md rounded-card bg-sunken p-4 font-sans break-words whitespace-pre-wrap">
          {mail.text}
        </pre>
      )}
    </Card>
  )
}
