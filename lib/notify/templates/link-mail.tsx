/** Mails with one thing to do: a link to a page that says what will happen before it happens. */
import { inert, mailbox, ours } from '../safe'
import { moment } from '../words'
import { Asked, type Asker, askedText, Button, type Draft, type Look, Paragraph } from './parts'

type LinkMailName =
  | 'password_reset'
  | 'recovery_started'
  | 'recovery_soon'
  | 'recovery_vouch'
  | 'contact_invitation'

/** The frame they share; `values` are for every sentence of the mail. */
function linkMail(
  name: LinkMailName,
  props: Asker,
  href: string,
  values: Record<string, string | number>,
  look: Look,
): Draft {
  const link = ours(href)
  const say = (part: 'subject' | 'preview' | 'title' | 'intro' | 'button' | 'note' | 'facts' | 'not_you') =>
    look.words(`${name}.${part}`, { product: look.product, ...values })
  return {
    subject: say('subject'),
    preview: say('preview'),
    title: say('title'),
    body: (
      <>
        <Paragraph>{say('intro')}</Paragraph>
        <Button href={link} look={look}>
          {say('button')}
        </Button>
        <Paragraph soft>{say('note')}</Paragraph>
        <Asked title={say('facts')} asker={props} look={look} />
        <Paragraph soft>{say('not_you')}</Paragraph>
      </>
    ),
    text: [
      say('title'),
      say('intro'),
      `${say('button')}:\n${link}`,
      say('note'),
      askedText(say('facts'), props, look),
      say('not_you'),
    ],
  }
}

export interface PasswordResetProps extends Asker {
  link: string
  /** The address the mail goes to. */
  address: string
  expiresMinutes: number
}

/** The forgotten password. */
export const passwordReset = (props: PasswordResetProps, look: Look): Draft =>
  linkMail(
    'password_reset',
    props,
    props.link,
    { address: mailbox(props.address), minutes: props.expiresMinutes },
    look,
  )

export interface RecoveryStartedProps extends Asker {
  /** To the page that stops it. */
  stopUrl: string
  readyAt: Date | string
}

const recoveryNotice =
  (name: 'recovery_started' | 'recovery_soon') =>
  (props: RecoveryStartedProps, look: Look): Draft =>
    linkMail(name, props, props.stopUrl, { time: moment(new Date(props.readyAt), look.locale) }, look)

/** To everybody who belongs to an account: a delayed recovery was asked for, and how to stop it. */
export const recoveryStarted = recoveryNotice('recovery_started')

/** The same before its waiting time ends. */
export const recoverySoon = recoveryNotice('recovery_soon')

/** A person a mail speaks of: what they call themselves (where that is inert) and their address. */
interface About {
  name: string | null
  address: string | null
}

function about({ name, address }: About): { name: string; who: string } {
  const known = inert(name, 40)
  const plain = address ? mailbox(address) : ''
  return { name: known ?? plain, who: known && plain ? `${known} (${plain})` : (known ?? plain) }
}

export interface RecoveryVouchProps extends Asker, About {
  vouchUrl: string
}

/** To a trusted contact: somebody says to be the person who named you. */
export const recoveryVouch = (props: RecoveryVouchProps, look: Look): Draft =>
  linkMail('recovery_vouch', props, props.vouchUrl, about(props), look)

export interface ContactInvitationProps extends Asker, About {
  link: string
  days: number
}

/** Asks somebody to be a trusted contact. */
export const contactInvitation = (props: ContactInvitationProps, look: Look): Draft =>
  linkMail('contact_invitation', props, props.link, { days: props.days, ...about(props) }, look)
