/** A real SMTP server for the journeys, and a door through which their processes read what it received. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mailServer } from '../lib/testing/smtp'
import type { Mail } from './mailbox'

const URLS = /https?:\/\/[^\s<>"]+/g

export interface Receiver {
  /** What a portal is told as SMTP_URL. */
  smtpUrl: string
  /** Answers `?to=<address>` with its mails, newest first. */
  mailUrl: string
  stop(): Promise<void>
}

export async function startReceiver(): Promise<Receiver> {
  const server = mailServer()
  await server.start()
  const mailsOf = (address: string): Mail[] =>
    server.received
      .map(({ to, mail }, n): Mail & { to: string } => {
        const text = mail.text ?? ''
        return {
          id: String(n),
          at: mail.date ?? '',
          to: to.join(),
          subject: mail.subject ?? '',
          text,
          html: mail.html ?? '',
          links: [...new Set(text.match(URLS) ?? [])],
          codes: [...new Set(text.replace(URLS, ' ').match(/(?<![\d.:-])\d{6}(?![\d.:-])/g) ?? [])],
        }
      })
      .filter(({ to }) => to.toLowerCase() === address.toLowerCase())
      .reverse()
  const door = createServer((req, res) => {
    const address = new URL(req.url ?? '/', 'http://localhost').searchParams.get('to') ?? ''
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify(mailsOf(address)))
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  return {
    smtpUrl: server.url(),
    mailUrl: `http://127.0.0.1:${(door.address() as AddressInfo).port}/`,
    stop: async () => {
      await new Promise((resolve) => door.close(resolve))
      await server.stop()
    },
  }
}
