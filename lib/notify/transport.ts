/** The ways out for mail: a real SMTP server (nodemailer), or the development mailbox. */
import nodemailer, { type Transporter } from 'nodemailer'
import type SMTPPool from 'nodemailer/lib/smtp-pool'
import { Undeliverable } from '../audit'
import { now } from '../base/clock'
import { ConfigError, env } from '../base/env'
import { enabled } from './mailbox'
import { mailbox } from './safe'
import { keep } from './store'
import type { Mail } from './templates'

let current: { url: string; transporter: Transporter<SMTPPool.SentMessageInfo> } | null = null

function smtp(url: string): Transporter<SMTPPool.SentMessageInfo> {
  if (current?.url !== url) {
    closeTransport()
    const options: SMTPPool.Options & { maxRequeues: number; dnsTimeout: number } = {
      url,
      pool: true,
      maxConnections: 3,
      maxMessages: 100,
      // The library would send a message again by itself when a connection breaks; the delivery queue
      // decides that, and counts it.
      maxRequeues: 0,
      dnsTimeout: 8000,
      connectionTimeout: 8000,
      greetingTimeout: 8000,
      socketTimeout: 20_000,
      disableFileAccess: true,
      disableUrlAccess: true,
    }
    const transporter = nodemailer.createTransport(options)
    // A pool tells of broken idle connections here too; each send reports its own failure.
    transporter.on('error', () => {})
    current = { url, transporter }
  }
  return current.transporter
}

/** Closes the connections to the SMTP server. */
export function closeTransport(): void {
  current?.transporter.close()
  current = null
}

/** MAIL_FROM in its two parts, so that a comma in the product's name makes no list of it. */
function sender(): { name: string; address: string } {
  const { mailFrom } = env()
  const [, name = '', address = ''] = /^(.*?)\s*<([^<>]*)>$/.exec(mailFrom) ?? [null, '', mailFrom]
  return { name: name.replace(/^"(.*)"$/, '$1').trim(), address: address.trim() }
}

/**
 * Refuses a configuration under which nobody would ever get a mail. No I/O; for boot and doctor.
 * @throws ConfigError with a sentence that says what to set
 */
export function assertTransport(): void {
  const { smtpUrl, url } = env()
  if (!smtpUrl && !enabled()) {
    throw new ConfigError(
      `SMTP_URL is not set, but ${url} is a public origin: without a mail server nobody can confirm an address. Set SMTP_URL, for example smtp://user:password@mail.example.com:587 (the development mailbox works on loopback origins only).`,
    )
  }
  try {
    mailbox(sender().address)
  } catch {
    throw new ConfigError('MAIL_FROM must be one address, such as Gatehouse <no-reply@example.com>.')
  }
}

/** Refused for good: the recipient or the message, not our login, our sender or the weather. */
function isFinal(error: unknown): boolean {
  const { responseCode = 0, command = '' } = error as { responseCode?: number; command?: string }
  return responseCode >= 500 && (command === 'RCPT TO' || command === 'DATA')
}

/**
 * Hands one message to the SMTP server or the mailbox.
 * @param id stays the same over repetitions; becomes the Message-ID, by which receivers recognise one
 * @throws Undeliverable when it was refused for good; any other Error when it may work later
 */
export async function transmit(id: string, to: string, mail: Mail): Promise<void> {
  const address = mailbox(to)
  const { smtpUrl, url } = env()
  if (!smtpUrl) {
    assertTransport()
    await keep({ id, at: now().toISOString(), to: address, ...mail })
    return
  }
  const from = sender()
  try {
    await smtp(smtpUrl).sendMail({
      from,
      to: { address, name: '' },
      subject: mail.subject,
      text: mail.text,
      html: mail.html,
      messageId: `<${id}@${from.address.split('@')[1] ?? new URL(url).hostname}>`,
      date: now(),
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    })
  } catch (error) {
    if (isFinal(error)) throw new Undeliverable((error as Error).message, { cause: error })
    throw error
  }
}

export interface TransportCheck {
  ok: boolean
  via: 'smtp' | 'mailbox' | 'none'
  /** What was found. */
  message: string
  /** How to mend it, where it is not ok. */
  hint?: string
}

/** Asks the mail server whether it would take mail from us (connects and signs in, sends nothing). */
export async function checkTransport(): Promise<TransportCheck> {
  try {
    assertTransport()
  } catch (error) {
    return { ok: false, via: 'none', message: 'mail cannot be sent', hint: (error as Error).message }
  }
  const { smtpUrl, url } = env()
  if (!smtpUrl) return { ok: true, via: 'mailbox', message: `development mailbox at ${url}/dev/mailbox` }
  const { host } = new URL(smtpUrl)
  try {
    await smtp(smtpUrl).verify()
    return { ok: true, via: 'smtp', message: `${host} takes mail` }
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return {
      ok: false,
      via: 'smtp',
      message: `${host} does not take mail: ${message.split('\n')[0]}`,
      hint:
        code === 'EAUTH'
          ? 'Check user and password in SMTP_URL.'
          : 'Check host, port and encryption in SMTP_URL (smtp:// with STARTTLS on 587, smtps:// on 465), and that this machine may connect there.',
    }
  }
}
