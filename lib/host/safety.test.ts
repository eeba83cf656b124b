import { describe, expect, test } from 'vitest'
import { readEnv } from '../base/env'
import { refuseUnsafeDefaults } from './safety'

const GOOD = {
  NODE_ENV: 'production' as const,
  GATEHOUSE_URL: 'https://id.example.com',
  GATEHOUSE_SECRET: 'a-secret-of-this-test-alone-and-long-enough',
  SMTP_URL: 'smtps://user:pw@mail.example.com',
}
const judge = (change: Record<string, string | undefined>) => () =>
  refuseUnsafeDefaults(readEnv({ ...GOOD, ...change } as NodeJS.ProcessEnv))

describe('behind a public address production refuses', () => {
  test('nothing when all is set', () => {
    expect(judge({})).not.toThrow()
  })
  test.each([
    ['GATEHOUSE_URL', { GATEHOUSE_URL: 'http://id.example.com' }],
    ['GATEHOUSE_SECRET', { GATEHOUSE_SECRET: undefined }],
    ['SMTP_URL', { SMTP_URL: undefined }],
    ['GATEHOUSE_DEMO', { GATEHOUSE_DEMO: 'on' }],
  ])('%s left as it is on one machine, and names it', (name, change) => {
    expect(judge(change)).toThrow(name)
  })
  test('all of them in one go', () => {
    expect(judge({ GATEHOUSE_SECRET: undefined, SMTP_URL: undefined })).toThrow(
      /GATEHOUSE_SECRET[\s\S]*SMTP_URL/,
    )
  })
})

test('on this machine the defaults are fine', () => {
  expect(() => refuseUnsafeDefaults(readEnv({ NODE_ENV: 'production' }))).not.toThrow()
})
