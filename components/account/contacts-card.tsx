import { getTranslations } from 'next-intl/server'
import type { Draft, FormState } from '@/app/_lib/guard'
import type { Contact, Pending } from '@/lib/recovery'
import { duration } from '../login/words'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { EmptyState } from '../ui/empty-state'
import { usersRound } from '../ui/icons'
import { Row, Rows } from '../ui/rows'
import { SubmitButton } from '../ui/submit-button'
import { relativeTime } from '../ui/time'
import { ActionForm } from './action-form'
import { FormInput } from './form-field'
import { answerIcons } from './icons'

type Action = (previous: FormState | null, form: FormData) => Promise<FormState>

interface Props {
  contacts: readonly Contact[]
  pending: readonly Pending[]
  counting: number
  needed: number
  waitHours: number
  timeZone: string
  now: number
  /** Where the person proves again who they are; null while they did a moment ago. */
  confirmHref: string | null
  removeHref: (id: string) => string
  invite: Action
  /** Whom the person was about to ask. */
  draft?: Draft
  withdraw: Action
}

/** The people who may vouch for a person, and whom else to ask. */
export async function ContactsCard(props: Props) {
  const [t, ui, security] = await Promise.all([
    getTranslations('recovery.contacts'),
    getTranslations('ui'),
    getTranslations('recovery.security'),
  ])
  const { contacts, pending, counting, needed, timeZone, now, confirmHref } = props
  const wait = await duration(props.waitHours * 3600)
  const nobody = contacts.length + pending.length === 0
  return (
    <Card id="contacts" title={t('title')} lead={t('text', { needed })} flush>
      {nobody ? (
        <EmptyState icon={usersRound} title={t('empty')} />
      ) : (
        <>
          <p className="px-5 pb-2 text-[0.9375rem] text-ink-2 sm:px-6">
            {t(counting >= needed ? 'state_enough' : 'state_few', { counting, needed })}
          </p>
          <Rows label={t('title')}>
            {
              await Promise.all(
                contacts.map(async ({ id, name, since, counts }) => (
                  <Row
                    key={id}
                    title={<span className="wrap-anywhere">{name}</span>}
                    end={
                      <LinkButton
                        href={props.removeHref(id)}
                        look="quiet"
                        size="sm"
                        aria-label={t('remove_named', { name })}
                      >
                        {t('remove')}
                      </LinkButton>
                    }
                  >
                    <p>{t('since', { when: await relativeTime(since, timeZone, now) })}</p>
                    {counts ? null : <p className="text-sm">{t('waits', { duration: wait })}</p>}
                  </Row>
                )),
              )
            }
            {pending.map(({ id, address }) => (
              <Row
                key={id}
                title={
                  <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                    <span className="wrap-anywhere">{address}</span>
                    <Badge>{t('invited')}</Badge>
                  </span>
                }
                end={
                  <ActionForm action={props.withdraw} icons={answerIcons}>
                    <input type="hidden" name="id" value={id} />
                    <SubmitButton
                      look="quiet"
                      size="sm"
                      workingLabel={ui('working')}
                      aria-label={t('withdraw_named', { name: address })}
                    >
                      {t('withdraw')}
                    </SubmitButton>
                  </ActionForm>
                }
              />
            ))}
          </Rows>
        </>
      )}
      <div className="border-t border-line p-5 sm:p-6">
        {confirmHref ? (
          <div className="grid gap-4">
            <p className="text-ink-2">{t('fresh')}</p>
            <div>
              <LinkButton href={confirmHref} look="secondary">
                {security('confirm_link')}
              </LinkButton>
            </div>
          </div>
        ) : (
          <ActionForm
            action={props.invite}
            icons={answerIcons}
            draft={props.draft}
            className="grid max-w-md gap-5"
          >
            <FormInput
              id="contact-email"
              name="email"
              type="email"
              label={t('email')}
              hint={t('email_hint')}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              maxLength={254}
              required
            />
            <div>
              <SubmitButton look="secondary" workingLabel={ui('working')}>
                {t('invite')}
              </SubmitButton>
            </div>
          </ActionForm>
        )}
      </div>
    </Card>
  )
}
