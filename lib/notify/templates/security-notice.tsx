import { inert, mailbox, ours } from '../safe'
import { Asked, type Asker, askedText, Button, type Draft, type Look, Paragraph } from './parts'

/** Every change of which all proven addresses of a person are told; each has its words in mail.json. */
export const SECURITY_NEWS = [
  'email_added',
  'email_primary_changed',
  'email_removed',
  'email_change_undone',
  'phone_added',
  'phone_primary_changed',
  'phone_removed',
  'phone_released',
  'password_changed',
  'password_reset',
  'password_set',
  'factor_added',
  'factor_removed',
  'factor_cloned',
  'factors_reset',
  'backup_codes_renewed',
  'backup_code_used',
  'account_linked',
  'account_unlinked',
  'token_made',
  'contact_added',
  'contact_removed',
  'recovery_requested',
  'recovery_hastened',
  'recovery_vetoed',
  'recovery_completed',
  'second_failed',
  'many_failures',
  'new_device',
  'unusual_sign_in',
  'locked_down',
  'account_closed',
  'account_kept',
] as const

export type SecurityNewsName = (typeof SECURITY_NEWS)[number]

/** Why a sign-in stands out; each has its words in mail.json. */
export type NoticeReason = 'new_country' | 'impossible_travel' | 'long_idle' | 'many_failures'

export interface SecurityNoticeProps extends Asker {
  what: SecurityNewsName
  /** The address it is about. */
  address?: string | null
  /** The number, factor or person it is about: inert text or nothing. */
  name?: string | null
  /** How many backup codes are left. */
  left?: number
  /** The kind of factor it is about, told where it has no name. */
  kind?: 'totp' | 'passkey' | 'security_key'
  /** What is unusual about the sign-in it tells of. */
  reasons?: readonly NoticeReason[]
  /** To the page that locks the account down; null where there is nothing left to lock. */
  lockdownUrl: string | null
  /** To the page that takes the change back, and for how long it works. */
  undo?: { url: string; hours: number } | null
  /** To the page that keeps an account that was closed, and for how long it can be. */
  keep?: { url: string; days: number } | null
}

/** Tells a person what changed about the ways into their account, and what to do if it was not them. */
export function securityNotice(props: SecurityNoticeProps, look: Look): Draft {
  const { words, product } = look
  const about = {
    product,
    address: props.address ? mailbox(props.address) : '',
    name: inert(props.name) || (props.kind ? words(`security_notice.kinds.${props.kind}`) : ''),
    left: props.left ?? 0,
    days: props.keep?.days ?? 0,
  }
  const lockdown = props.lockdownUrl && ours(props.lockdownUrl)
  const { undo: change, keep } = props
  const undo = change
    ? {
        url: ours(change.url),
        text: words('security_notice.undo', { hours: change.hours }),
        button: words('security_notice.undo_button'),
      }
    : keep && {
        url: ours(keep.url),
        text: words('security_notice.keep', { days: keep.days }),
        button: words('security_notice.keep_button'),
      }
  const title = words(`security_notice.${props.what}.title`, about)
  const text = words(`security_notice.${props.what}.text`, about)
  const reasons = (props.reasons ?? []).map((reason) => words(`security_notice.reasons.${reason}`))
  const facts = words('security_notice.facts')
  const wasYou = words('security_notice.was_you')
  const notYou = words('security_notice.not_you')
  return {
    subject: words('security_notice.subject', { title, product }),
    preview: text,
    title,
    body: (
      <>
        <Paragraph>{text}</Paragraph>
        {reasons.length > 0 ? (
          <Paragraph>{`${words('security_notice.reasons_title')} ${reasons.join(' ')}`}</Paragraph>
        ) : null}
        <Asked title={facts} asker={props} look={look} />
        <Paragraph>{wasYou}</Paragraph>
        {undo ? (
          <>
            <Paragraph>{undo.text}</Paragraph>
            <Button href={undo.url} look={look}>
              {undo.button}
            </Button>
          </>
        ) : null}
        {lockdown ? (
          <>
            <Paragraph>{notYou}</Paragraph>
            <Button href={lockdown} look={look}>
              {words('security_notice.button')}
            </Button>
          </>
        ) : null}
      </>
    ),
    text: [
      title,
      text,
      ...(reasons.length > 0 ? [`${words('security_notice.reasons_title')} ${reasons.join(' ')}`] : []),
      askedText(facts, props, look),
      wasYou,
      ...(undo ? [`${undo.text}\n${undo.url}`] : []),
      ...(lockdown ? [`${notYou}\n${lockdown}`] : []),
    ],
  }
}
