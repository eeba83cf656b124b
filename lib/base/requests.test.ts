/** CSRF1 once more, where an action asks for itself: whoever guards the house in front of it may be away. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reloadEnv } from './env'
import { sameOrigin } from './requests'

beforeAll(() => {
  process.env.GATEHOUSE_URL = 'https://id.example.com'
  reloadEnv()
})
afterAll(() => {
  delete process.env.GATEHOUSE_URL
  reloadEnv()
})

const asked = (headers: Record<string, string>): boolean => sameOrigin(new Headers(headers))

describe('a change is taken from our own pages alone', () => {
  test.each([
    ['absent', {}],
    ['null', { origin: 'null' }],
    ['foreign', { origin: 'https://evil.example' }],
    ['a_longer_name', { origin: 'https://id.example.com.evil.example' }],
    ['a_sibling', { origin: 'https://app.example.com' }],
    ['in_the_clear', { origin: 'http://id.example.com' }],
    ['another_port', { origin: 'https://id.example.com:8443' }],
    ['with_a_path', { origin: 'https://id.example.com/' }],
    ['same_site', { origin: 'https://id.example.com', 'sec-fetch-site': 'same-site' }],
    ['cross_site', { origin: 'https://id.example.com', 'sec-fetch-site': 'cross-site' }],
    ['typed', { origin: 'https://id.example.com', 'sec-fetch-site': 'none' }],
  ])('action_from_origin_%s_is_refused', (_name, headers: Record<string, string>) => {
    expect(asked(headers)).toBe(false)
  })

  test('one of ours passes, from browsers that say nothing of the site too', () => {
    expect(asked({ origin: 'https://id.example.com', 'sec-fetch-site': 'same-origin' })).toBe(true)
    expect(asked({ origin: 'https://id.example.com' })).toBe(true)
  })
})
