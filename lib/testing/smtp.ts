/** A real SMTP server that keeps what it receives, parsed; it can be stopped and started on its port. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer } from 'smtp-server'

export interface Received {
  /** Recipients of the envelope: where it really went. */
  to: string[]
  from: string
  /** The message as it came over the wire. */
  raw: string
  mail: Email
}

export interface MailServer {
  received: Received[]
  url: () => string
  start: () => Promise<void>
  stop: () => Promise<void>
  /** Answers RCPT TO with this status while set. */
  refuseWith: (status: number | null) => void
  /** Takes the message and then breaks the connection instead of saying so. */
  breakAfterData: (on: boolean) => void
}

export function mailServer(): MailServer {
  const received: Received[] = []
  let server: SMTPServer | null = null
  let port = 0
  let refusal: number | null = null
  let breaking = false

  async function start(): Promise<void> {
    const fresh = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      logger: false,
      onRcptTo(_address, _session, done) {
        done(refusal ? Object.assign(new Error('refused'), { responseCode: refusal }) : null)
      },
      onData(stream, session, done) {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', async () => {
          if (breaking) {
            for (const connection of fresh.connections) {
              ;(connection as unknown as { _socket: { destroy(): void } })._socket.destroy()
            }
            return
          }
          const raw = Buffer.concat(chunks)
          const { mailFrom, rcptTo } = session.envelope
          received.push({
            to: rcptTo.map((r) => r.address),
            from: mailFrom ? mailFrom.address : '',
            raw: raw.toString('latin1'),
            mail: await PostalMime.parse(raw),
          })
          done()
        })
      },
    })
    fresh.on('error', () => {})
    fresh.listen(port, '127.0.0.1')
    await once(fresh.server, 'listening')
    port = (fresh.server.address() as AddressInfo).port
    server = fresh
  }

  return {
    received,
    url: () => `smtp://127.0.0.1:${port}`,
    start,
    stop: async () => {
      const closing = server
      server = null
      if (!closing) return
      // Without this, close waits for idle clients.
      for (const connection of closing.connections) {
        ;(connection as unknown as { _socket: { destroy(): void } })._socket.destroy()
      }
      await new Promise<void>((resolve) => closing.close(() => resolve()))
    },
    refuseWith: (status) => {
      refusal = status
    },
    breakAfterData: (on) => {
      breaking = on
    },
  }
}
