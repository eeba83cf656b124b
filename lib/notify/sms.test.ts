import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deliveries, drain, migrate } from '../audit'
import { reloadEnv } from '../base/env'
import { useStores } from '../testing'
import { provider } from '../testing/provider'
import { mailbox, sendSms, sms } from './index'

const { sql, redis } = useStores()
const far = provider()

const SID = `AC${'0a'.repeat(16)}`
const SERVICE = `VA${'1b'.repeat(16)}`
const NUMBER = '+4915123456789'
const code = { template: 'verify_phone', locale: 'en', props: { code: '482913', minutes: 10 } } as const

const DRIVER_VARS = [
  'SMS_DRIVER',
  'SMS_COUNTRIES',
  'SMS_FROM',
  'SMS_API_URL',
  'SMS_WEBHOOK_URL',
  'SMS_WEBHOOK_SECRET',
  'TWILIO_ACCOUNT_SID',
  'TWILIO_AUTH_TOKEN',
  'TWILIO_VERIFY_SERVICE_SID',
  'VONAGE_API_KEY',
  'VONAGE_API_SECRET',
]

function configure(vars: Record<string, string>) {
  for (const name of DRIVER_VARS) delete process.env[name]
  Object.assign(process.env, vars)
  reloadEnv()
}

const twilioVars = (driver: 'twilio' | 'twilio_verify') => ({
  SMS_DRIVER: driver,
  SMS_COUNTRIES: 'DE,US',
  SMS_API_URL: far.url(),
  TWILIO_ACCOUNT_SID: SID,
  TWILIO_AUTH_TOKEN: 'twilio-auth-token',
  ...(driver === 'twilio' ? { SMS_FROM: '+15005550006' } : { TWILIO_VERIFY_SERVICE_SID: SERVICE }),
})

const basicOf = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

const inTenMinutes = () => new Date(Date.now() + 600_000)

/** Makes what waits for its next try due now. */
const hurry = () => sql("UPDATE graphile_worker._private_jobs SET run_at = now() - interval '1 second'")

beforeAll(async () => {
  await migrate()
  await far.start()
})

beforeEach(async () => {
  await sql('DELETE FROM deliveries')
  await sql('DELETE FROM graphile_worker._private_jobs')
  await redis().flushdb()
  far.calls.length = 0
  far.reply(() => ({ status: 200, body: {} }))
})

afterAll(() => far.stop())

describe('Twilio Messages', () => {
  beforeAll(() => configure(twilioVars('twilio')))

  test('gets the form it documents: To, From, Body, ValidityPeriod, with basic authentication', async () => {
    far.reply(() => ({ status: 201, body: { sid: 'SM1', status: 'queued', error_code: null } }))
    await sendSms(null, { ...code, to: NUMBER, notAfter: inTenMinutes() })
    expect(far.calls).toEqual([])
    await drain()
    const [call, ...more] = far.calls
    expect(more).toEqual([])
    expect(call?.method).toBe('POST')
    expect(call?.path).toBe(`/2010-04-01/Accounts/${SID}/Messages.json`)
    expect(call?.headers.authorization).toBe(basicOf(SID, 'twilio-auth-token'))
    expect(call?.headers['content-type']).toBe('application/x-www-form-urlencoded')
    const form = new URLSearchParams(call?.body)
    expect(Object.fromEntries(form)).toEqual({
      To: NUMBER,
      From: '+15005550006',
      Body: expect.stringMatching(/^482913 is your code .*\n\n@localhost #482913$/s),
      ValidityPeriod: expect.stringMatching(/^(600|59\d)$/),
    })
    const [row] = await deliveries()
    expect(row).toMatchObject({ kind: 'sms', target: 'verify_phone to +49…89', attempts: 1 })
    expect(row?.deliveredAt).not.toBeNull()
  })

  test('a Messaging Service takes the place of the sender', async () => {
    const service = `MG${'2c'.repeat(16)}`
    configure({ ...twilioVars('twilio'), SMS_FROM: service })
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    const form = new URLSearchParams(far.calls[0]?.body)
    expect(form.get('MessagingServiceSid')).toBe(service)
    expect(form.has('From')).toBe(false)
    configure(twilioVars('twilio'))
  })

  test('while it is down, messages wait, pages know, and one arrives once afterwards', async () => {
    far.reply(() => ({ status: 503 }))
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    expect(await sms.troubled()).toBe(true)
    expect(await sms.check()).toMatchObject({
      ok: false,
      via: 'twilio',
      message: expect.stringContaining('503'),
    })
    await hurry()
    await drain()
    far.reply(() => ({ status: 201, body: {} }))
    await hurry()
    await drain()
    await hurry()
    await drain()
    expect(far.calls).toHaveLength(3)
    expect(await sms.troubled()).toBe(false)
    expect((await deliveries())[0]).toMatchObject({ attempts: 3, deliveredAt: expect.any(Date) })
  })

  test.each([
    ['no credit or wrong credentials', { status: 401, body: { code: 20003, message: 'Authenticate' } }],
    ['too many requests', { status: 429, body: { code: 20429 } }],
    ['our sender is not ours', { status: 400, body: { code: 21606 } }],
    ['no body', { status: 502 }],
    ['a redirect', { status: 307, headers: { location: 'http://169.254.169.254/' } }],
  ])('tried again: %s', async (_what, reply) => {
    far.reply(() => reply)
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    expect(far.calls).toHaveLength(1)
    expect((await deliveries())[0]).toMatchObject({ failedAt: null, deliveredAt: null, attempts: 1 })
  })

  test.each([21211, 21408, 21610, 21614])('given up at once: error %i', async (number) => {
    far.reply(() => ({ status: 400, body: { code: number, message: `not to ${NUMBER}` } }))
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    const [row] = await deliveries()
    expect(row?.failedAt).toBeInstanceOf(Date)
    expect(row?.lastError).toContain(String(number))
    expect(row?.lastError).not.toContain('15123456789')
    expect(await sms.troubled()).toBe(false)
  })
})

describe('Twilio Verify', () => {
  beforeAll(() => configure(twilioVars('twilio_verify')))

  test('carries our own code, after voiding the one before, in the language of the reader', async () => {
    far.reply(({ path }) =>
      path.endsWith('/Verifications')
        ? { status: 201, body: { sid: 'VE1', status: 'pending' } }
        : { status: 404, body: { code: 20404 } },
    )
    await sendSms(null, { ...code, locale: 'de-AT', to: NUMBER })
    await drain()
    expect(far.calls.map(({ path, body }) => [path, Object.fromEntries(new URLSearchParams(body))])).toEqual([
      [`/v2/Services/${SERVICE}/Verifications/%2B4915123456789`, { Status: 'canceled' }],
      [
        `/v2/Services/${SERVICE}/Verifications`,
        { To: NUMBER, Channel: 'sms', CustomCode: '482913', Locale: 'de' },
      ],
    ])
    expect(far.calls[1]?.headers.authorization).toBe(basicOf(SID, 'twilio-auth-token'))
    expect((await deliveries())[0]?.deliveredAt).toBeInstanceOf(Date)
  })

  test('is told of codes that came back', async () => {
    await sms.answered(NUMBER)
    await drain()
    expect(far.calls).toHaveLength(1)
    expect(far.calls[0]?.path).toBe(`/v2/Services/${SERVICE}/Verifications/%2B4915123456789`)
    expect(far.calls[0]?.body).toBe('Status=approved')
  })

  test('a number behind a landline or blocked for fraud is given up', async () => {
    far.reply(({ path }) =>
      path.endsWith('/Verifications') ? { status: 400, body: { code: 60410 } } : { status: 404 },
    )
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    expect((await deliveries())[0]?.failedAt).toBeInstanceOf(Date)
  })

  test('a notice without a code needs a sender', async () => {
    await sendSms(null, { template: 'number_taken', locale: 'en', props: {}, to: NUMBER })
    await drain()
    expect(far.calls).toEqual([])
    expect((await deliveries())[0]?.lastError).toContain('SMS_FROM')
  })
})

describe('Vonage', () => {
  beforeAll(() =>
    configure({
      SMS_DRIVER: 'vonage',
      SMS_COUNTRIES: 'all',
      SMS_FROM: 'Gatehouse',
      SMS_API_URL: `${far.url()}/`,
      VONAGE_API_KEY: 'abcd1234',
      VONAGE_API_SECRET: 'vonage-secret',
    }),
  )

  test('gets the JSON it documents, numbers without the plus', async () => {
    far.reply(() => ({ status: 202, body: { message_uuid: 'aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab' } }))
    await sendSms(null, { ...code, to: NUMBER, notAfter: inTenMinutes() })
    await drain()
    const [call] = far.calls
    expect(call?.path).toBe('/v1/messages')
    expect(call?.headers.authorization).toBe(basicOf('abcd1234', 'vonage-secret'))
    const [row] = await deliveries()
    expect(JSON.parse(call?.body ?? '')).toEqual({
      channel: 'sms',
      message_type: 'text',
      to: '4915123456789',
      from: 'Gatehouse',
      text: expect.stringMatching(/@localhost #482913$/),
      sms: { encoding_type: 'text' },
      client_ref: row?.id,
      ttl: 1800,
    })
    expect(row?.deliveredAt).toBeInstanceOf(Date)
  })

  test('a barred number is given up, throttling and empty credit are tried again', async () => {
    const problem = (number: number) => ({
      type: `https://developer.vonage.com/api-errors/messages#${number}`,
      title: 'Problem',
      detail: `to ${NUMBER}`,
    })
    far.reply(() => ({ status: 422, body: problem(1050) }))
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    expect((await deliveries())[0]?.failedAt).toBeInstanceOf(Date)
    for (const number of [1000, 1070]) {
      far.reply(() => ({ status: number === 1000 ? 429 : 402, body: problem(number) }))
      await sendSms(null, { ...code, to: NUMBER })
      await drain()
      expect((await deliveries())[0]).toMatchObject({ failedAt: null, deliveredAt: null })
    }
  })
})

describe('the webhook', () => {
  const secrets = ['new-secret-new-secret-new-secret-01', 'old-secret-old-secret-old-secret-01']
  beforeAll(() =>
    configure({
      SMS_DRIVER: 'webhook',
      SMS_COUNTRIES: 'DE',
      SMS_WEBHOOK_URL: `${far.url()}/sms?tenant=1`,
      SMS_WEBHOOK_SECRET: secrets.join(','),
    }),
  )

  test('is signed over time and body, by every secret, and names the delivery', async () => {
    await sendSms(null, { ...code, to: NUMBER, notAfter: inTenMinutes() })
    await drain()
    const [call] = far.calls
    const [row] = await deliveries()
    expect(call?.path).toBe('/sms?tenant=1')
    const timestamp = String(call?.headers['gatehouse-timestamp'])
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60)
    expect(call?.headers['gatehouse-delivery']).toBe(row?.id)
    const expected = secrets.map(
      (secret) => `v1=${createHmac('sha256', secret).update(`${timestamp}.${call?.body}`).digest('hex')}`,
    )
    expect(call?.headers['gatehouse-signature']).toBe(expected.join(', '))
    expect(JSON.parse(call?.body ?? '')).toMatchObject({
      id: row?.id,
      type: 'sms',
      template: 'verify_phone',
      to: NUMBER,
      code: '482913',
      locale: 'en',
      expires_at: row?.notAfter?.toISOString(),
    })
  })

  test('a_signature_is_good_for_its_own_time_and_body_only', async () => {
    const { signature } = await import('./sms-drivers/webhook')
    const at = 1_800_000_000
    const good = signature(secrets, at, '{"to":"+4915123456789"}')
    expect(signature(secrets, at + 1, '{"to":"+4915123456789"}')).not.toBe(good)
    expect(signature(secrets, at, '{"to":"+4915123456780"}')).not.toBe(good)
    // A digit moved from the time to the body is another text: the dot keeps them apart.
    expect(signature(secrets, 180_000_000, '0.{"to":"+4915123456789"}')).not.toBe(good)
  })

  test('the same delivery keeps its name when it is tried again', async () => {
    far.reply(() => ({ status: 500 }))
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    far.reply(() => ({ status: 204 }))
    await hurry()
    await drain()
    const names = far.calls.map(({ headers }) => headers['gatehouse-delivery'])
    expect(names).toHaveLength(2)
    expect(new Set(names).size).toBe(1)
  })

  test.each([400, 410, 422])('%i means never', async (status) => {
    far.reply(() => ({ status }))
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    expect((await deliveries())[0]?.failedAt).toBeInstanceOf(Date)
  })

  test('foreign_prefixes_are_refused_before_and_after_a_message_is_owed', async () => {
    // +1 876 is Jamaica, not the United States; +882 is nobody's country.
    for (const to of ['+12133734253', '+18762101234', '+88213300655', '+79261234567']) {
      expect(sms.reaches(to)).toBe(false)
      await expect(sendSms(null, { ...code, to })).rejects.toThrow('no text messages')
    }
    await sendSms(null, { ...code, to: NUMBER })
    configure({
      SMS_DRIVER: 'webhook',
      SMS_COUNTRIES: 'AT',
      SMS_WEBHOOK_URL: far.url(),
      SMS_WEBHOOK_SECRET: secrets.join(','),
    })
    await drain()
    expect(far.calls).toEqual([])
    expect((await deliveries())[0]?.failedAt).toBeInstanceOf(Date)
  })

  test('a driver that hangs is cut off and counts as down', async () => {
    const { call } = await import('./sms-drivers/call')
    far.reply(() => ({ status: 200, silent: true }))
    const stop = new AbortController()
    const asked = call(far.url(), { headers: {}, body: '' }, stop.signal)
    stop.abort()
    await expect(asked).rejects.toThrow('no answer: AbortError')
  })
})

describe('without a driver', () => {
  beforeAll(() => configure({}))

  test('development has the mailbox', async () => {
    expect(sms.enabled()).toBe(true)
    await sendSms(null, { ...code, to: NUMBER })
    await drain()
    const [kept] = await mailbox.list({ to: NUMBER })
    expect(kept).toMatchObject({ to: NUMBER, codes: ['482913'], links: [] })
    expect(kept?.text).toMatch(/\n\n@localhost #482913$/)
  })

  test('phones_are_off_on_a_public_origin', async () => {
    process.env.GATEHOUSE_URL = 'https://id.example.com'
    reloadEnv()
    expect(sms.enabled()).toBe(false)
    expect(sms.countries()).toEqual([])
    await expect(sendSms(null, { ...code, to: NUMBER })).rejects.toThrow()
    process.env.GATEHOUSE_URL = 'http://localhost:3000'
    reloadEnv()
  })
})

describe('configuration', () => {
  test.each([
    ['a driver without its variables', { SMS_DRIVER: 'twilio', SMS_COUNTRIES: 'DE' }, 'TWILIO_ACCOUNT_SID'],
    [
      'a driver without countries',
      {
        SMS_DRIVER: 'webhook',
        SMS_WEBHOOK_URL: 'https://sms.example.com',
        SMS_WEBHOOK_SECRET: 'x'.repeat(32),
      },
      'SMS_COUNTRIES',
    ],
    [
      'a short webhook secret',
      {
        SMS_DRIVER: 'webhook',
        SMS_COUNTRIES: 'DE',
        SMS_WEBHOOK_URL: 'https://sms.example.com',
        SMS_WEBHOOK_SECRET: 'short',
      },
      '32 characters',
    ],
    [
      'codes over plain http to elsewhere',
      {
        SMS_DRIVER: 'webhook',
        SMS_COUNTRIES: 'DE',
        SMS_WEBHOOK_URL: 'http://sms.example.com',
        SMS_WEBHOOK_SECRET: 'x'.repeat(32),
      },
      'SMS_WEBHOOK_URL',
    ],
    ['an unknown driver', { SMS_DRIVER: 'pigeon' }, 'SMS_DRIVER'],
  ])('%s is refused by name', (_what, vars, named) => {
    configure(vars)
    expect(() => sms.enabled()).toThrow(named)
    configure({})
  })
})
