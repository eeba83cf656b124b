import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deliveries, drain, migrate } from '../audit'
import { reloadEnv } from '../base/env'
import { key } from '../base/keys'
import { useStores } from '../testing'
import { mailServer } from '../testing/smtp'
import { assertTransport, checkTransport, closeTransport, mailbox, send } from './index'

const { sql, redis } = useStores()
const server = mailServer()

const asker = { device: 'Chrome on Linux', place: '203.0.113.7', at: new Date() }
const verify = {
  template: 'verify_email',
  locale: 'en',
  props: { ...asker, code: '482913', link: 'http://localhost:3000/verify/link?flow=f', expiresMinutes: 10 },
} as const

function configure(vars: Record<string, string | undefined>) {
  for (const [name, value] of Object.entries(vars)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  reloadEnv()
}

beforeAll(migrate)

beforeEach(async () => {
  await sql('DELETE FROM deliveries')
  await sql('SELECT graphile_worker.remove_job(key) FROM graphile_worker.jobs WHERE key IS NOT NULL')
  await redis().del(key('mailbox'))
  server.received.length = 0
  server.refuseWith(null)
  server.breakAfterData(false)
})

afterAll(async () => {
  closeTransport()
  await server.stop()
})

describe('the development mailbox', () => {
  beforeAll(() => configure({ SMTP_URL: undefined, GATEHOUSE_URL: 'http://localhost:3000' }))

  test('keeps mail newest first, with its links and codes', async () => {
    await send(null, { ...verify, to: 'ada@example.com' })
    await drain()
    await send(null, { template: 'welcome', to: 'bob@example.com', locale: 'en', props: { name: 'Bob' } })
    await drain()
    const all = await mailbox.list()
    expect(all.map((m) => m.to)).toEqual(['bob@example.com', 'ada@example.com'])
    const [ada] = await mailbox.list({ to: 'ADA@example.com', limit: 1 })
    expect(ada).toMatchObject({
      subject: 'Confirm your e-mail address for Gatehouse',
      links: ['http://localhost:3000/verify/link?flow=f'],
      codes: ['482913'],
    })
    expect(await mailbox.get(ada?.id ?? '')).toEqual(ada)
    expect(await mailbox.get('nonsense')).toBeNull()
  })

  test('codes_are_not_readable_in_redis_or_postgres', async () => {
    await send(null, { ...verify, to: 'ada@example.com' })
    const owed = JSON.stringify((await sql('SELECT * FROM deliveries')).rows)
    await drain()
    const kept = JSON.stringify(await redis().lrange(key('mailbox'), 0, -1))
    expect(owed + kept).not.toMatch(/482913|ada@example/)
    expect(await redis().ttl(key('mailbox'))).toBeGreaterThan(0)
  })

  test('holds no more than 200', async () => {
    await redis().lpush(key('mailbox'), ...Array.from({ length: 300 }, () => 'junk'))
    await send(null, { ...verify, to: 'ada@example.com' })
    await drain()
    expect(await redis().llen(key('mailbox'))).toBe(200)
    expect(await mailbox.list()).toHaveLength(1)
  })

  test('mailbox_is_refused_for_a_public_origin_and_beside_smtp', async () => {
    await send(null, { ...verify, to: 'ada@example.com' })
    await drain()
    for (const vars of [
      { GATEHOUSE_URL: 'https://id.example.com', SMTP_URL: undefined },
      { GATEHOUSE_URL: 'http://localhost.evil.example', SMTP_URL: undefined },
      { GATEHOUSE_URL: 'http://localhost:3000', SMTP_URL: 'smtp://127.0.0.1:9' },
    ]) {
      configure(vars)
      expect(mailbox.enabled()).toBe(false)
      expect(await mailbox.list()).toEqual([])
    }
    configure({ GATEHOUSE_URL: 'https://id.example.com', SMTP_URL: undefined })
    expect(() => assertTransport()).toThrow('SMTP_URL is not set')
    expect(await checkTransport()).toMatchObject({ ok: false, via: 'none' })
    configure({ SMTP_URL: undefined, GATEHOUSE_URL: 'http://localhost:3000' })
    expect(() => assertTransport()).not.toThrow()
    expect(await checkTransport()).toMatchObject({ ok: true, via: 'mailbox' })
  })
})

describe('a real SMTP server', () => {
  beforeAll(async () => {
    await server.start()
    configure({ SMTP_URL: server.url(), MAIL_FROM: '"Gate, Inc" <no-reply@id.example.com>' })
  })

  test('receives one mail for one mailbox, with HTML and text', async () => {
    expect(await checkTransport()).toMatchObject({ ok: true, via: 'smtp' })
    await send(null, { ...verify, to: 'ada@example.com' })
    expect(server.received).toEqual([])
    await drain()
    const [got, ...more] = server.received
    expect(more).toEqual([])
    expect(got?.to).toEqual(['ada@example.com'])
    expect(got?.from).toBe('no-reply@id.example.com')
    expect(got?.mail.from).toEqual({ name: 'Gate, Inc', address: 'no-reply@id.example.com' })
    expect(got?.mail.to).toEqual([{ name: '', address: 'ada@example.com' }])
    expect(got?.mail.subject).toBe('Confirm your e-mail address for Gatehouse')
    expect(got?.mail.text).toContain('482913')
    expect(got?.mail.html).toContain('482913')
    expect(got?.mail.headers.find((h) => h.key === 'auto-submitted')?.value).toBe('auto-generated')
    const [receipt] = await deliveries({ state: 'delivered' })
    expect(got?.mail.messageId).toBe(`<${receipt?.id}@id.example.com>`)
    expect(receipt?.target).toBe('verify_email to a…@example.com')
  })

  test('down_and_up_again_gets_every_mail_once', async () => {
    await server.stop()
    closeTransport()
    const people = Array.from({ length: 12 }, (_, i) => `person${i}@example.com`)
    await Promise.all(people.map((to) => send(null, { ...verify, to, dedupeKey: 'signup' })))
    await drain()
    await drain({ now: true })
    expect(await deliveries({ state: 'owed' })).toHaveLength(12)
    expect((await checkTransport()).ok).toBe(false)
    await server.start()
    await drain({ now: true })
    await drain({ now: true })
    await Promise.all(people.map((to) => send(null, { ...verify, to, dedupeKey: 'signup' })))
    await drain({ now: true })
    expect(server.received.flatMap((r) => r.to).sort()).toEqual(people.sort())
    expect(new Set((await deliveries()).map((d) => d.attempts))).toEqual(new Set([3]))
  })

  test('that breaks off is tried again by the queue only, under the same message id', async () => {
    server.breakAfterData(true)
    await send(null, { ...verify, to: 'ada@example.com' })
    await drain()
    const [owed] = await deliveries({ state: 'owed' })
    expect(owed).toMatchObject({ attempts: 1 })
    server.breakAfterData(false)
    await drain({ now: true })
    expect(server.received.map((r) => r.mail.messageId)).toEqual([`<${owed?.id}@id.example.com>`])
  })

  test('that refuses the recipient for good is not asked again; for now, it is', async () => {
    server.refuseWith(550)
    await send(null, { ...verify, to: 'nobody@example.com' })
    await drain()
    expect(await deliveries({ state: 'failed' })).toMatchObject([{ attempts: 1 }])
    server.refuseWith(451)
    await send(null, { ...verify, to: 'later@example.com' })
    await drain()
    server.refuseWith(null)
    await drain({ now: true })
    expect(server.received.map((r) => r.to)).toEqual([['later@example.com']])
    const receipts = JSON.stringify(await deliveries())
    expect(receipts).not.toMatch(/nobody@|later@/)
  })

  test('header_injection_and_second_recipients_are_refused', async () => {
    for (const to of [
      'ada@example.com,eve@example.com',
      'ada@example.com\r\nBcc: eve@example.com',
      '"eve@example.com"@example.com',
      'Ada <ada@example.com>',
    ]) {
      await expect(send(null, { ...verify, to })).rejects.toThrow('not one plain mailbox')
    }
    configure({ GATEHOUSE_PRODUCT_NAME: 'Gate\r\nBcc: eve@example.com' })
    await send(null, { ...verify, to: 'ada@example.com' })
    await drain()
    configure({ GATEHOUSE_PRODUCT_NAME: undefined })
    expect(server.received.map((r) => r.to)).toEqual([['ada@example.com']])
    expect(server.received[0]?.mail.bcc).toBeUndefined()
    expect(server.received[0]?.raw).not.toMatch(/^Bcc:/im)
  })

  test('a_link_to_elsewhere_is_refused_before_anything_is_owed', async () => {
    const props = { ...verify.props, link: 'https://evil.example/verify' }
    await expect(send(null, { ...verify, to: 'ada@example.com', props })).rejects.toThrow('public origin')
    expect(await deliveries()).toEqual([])
  })
})
