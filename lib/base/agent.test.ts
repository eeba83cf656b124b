import { describe, expect, it } from 'vitest'
import { type AgentHints, describeAgent, hintsFrom } from './agent'
import { callerFrom } from './caller'

const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0'
const WINDOWS = `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36`
const MAC = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${CHROME} Safari/537.36`
const ANDROID = `Mozilla/5.0 (Linux; Android 10; K) ${CHROME} Mobile Safari/537.36`
const TABLET = `Mozilla/5.0 (Linux; Android 10; K) ${CHROME} Safari/537.36`
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0'
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1'
const BRANDS = '"Google Chrome";v="150", "Chromium";v="150", "Not A(Brand";v="24"'

const hints = (platform: string, platformVersion: string, more: AgentHints = {}): AgentHints => ({
  brands: BRANDS,
  mobile: '?0',
  platform: `"${platform}"`,
  platformVersion: `"${platformVersion}"`,
  ...more,
})

describe('a browser', () => {
  it.each([
    [
      'Windows 11',
      WINDOWS,
      hints('Windows', '15.0.0'),
      { browser: 'Chrome 150', os: 'Windows 11', kind: 'desktop' },
    ],
    ['Windows 10', WINDOWS, hints('Windows', '10.0.0'), { os: 'Windows 10' }],
    [
      'a new macOS',
      MAC,
      hints('macOS', '26.1.0'),
      { browser: 'Chrome 150', os: 'macOS 26', kind: 'desktop' },
    ],
    [
      'a phone',
      ANDROID,
      hints('Android', '16.0.0', { mobile: '?1', model: '"Pixel 8"' }),
      { browser: 'Chrome 150', os: 'Android 16', kind: 'mobile', model: 'Pixel 8' },
    ],
    ['a tablet', TABLET, hints('Android', '15.0.0'), { os: 'Android 15', kind: 'tablet' }],
    [
      'Brave, which hides in its user agent',
      WINDOWS,
      hints('Windows', '15.0.0', { brands: '"Brave";v="150", "Chromium";v="150"' }),
      { browser: 'Brave 150' },
    ],
    ['Edge', `${WINDOWS} Edg/150.0.0.0`, hints('Windows', '15.0.0'), { browser: 'Microsoft Edge 150' }],
    ['an iPhone', IPHONE, {}, { browser: 'Safari 17', os: 'iOS 17', kind: 'mobile' }],
  ] as const)('is told by its hints: %s', (_name, ua, given, wanted) => {
    expect(describeAgent(ua, given)).toMatchObject(wanted)
  })

  it('version_that_a_user_agent_repeats_for_ever_is_not_told_on', () => {
    expect(describeAgent(FIREFOX).os).toBe('Windows')
    expect(describeAgent(WINDOWS).os).toBe('Windows')
    expect(describeAgent(MAC).os).toBe('macOS')
    expect(describeAgent(ANDROID).os).toBe('Android')
    const safari = IPHONE.replace('17_5', '18_6').replace('Version/17.5', 'Version/26.0')
    expect(describeAgent(safari).os).toBe('iOS')
  })

  it('hostile_user_agents_and_hints_are_harmless', () => {
    const bad = [
      '',
      'a',
      'Macintosh',
      'windows ',
      '\u0000\r\nSet-Cookie: a=b',
      '\u001b[31mChrome/1.2',
      '<script>alert(1)</script> Chrome/99.1',
      `Mozilla/5.0 (Windows NT 10.0; ${'x'.repeat(100_000)}`,
      '('.repeat(50_000),
      'Version/'.repeat(20_000),
      'Mozilla/5.0 (Macintosh; Intel Mac OS X ',
      `Chrome/${'9'.repeat(390)}`,
      '\ud800',
    ]
    const values = [
      ...bad,
      '"',
      '"a',
      '?2',
      '"\\u0000"',
      `"${'x'.repeat(5000)}"`,
      '"a";v=',
      '("a" "b");v="1"',
      '1e400',
    ]
    for (const userAgent of bad) {
      for (const value of values) {
        const given = { brands: value, mobile: value, platform: value, platformVersion: value, model: value }
        const read = hintsFrom((name) => (name.startsWith('sec-ch-ua') ? value : undefined))
        for (const hint of [given, read]) {
          for (const text of Object.values(describeAgent(userAgent, hint))) {
            expect(text ?? '').not.toMatch(/[\p{Cc}\p{Cs}]/u)
            expect((text ?? '').length).toBeLessThanOrEqual(60)
          }
        }
      }
    }
  })

  it('hints of a request are bounded, and absent where a browser has none', () => {
    const header = (headers: Record<string, string>) => (name: string) => headers[name]
    const long = { 'sec-ch-ua-model': `"${'x'.repeat(400)}"`, 'sec-ch-ua-mobile': '?1' }
    expect(callerFrom(header(long), '192.0.2.1').hints).toEqual({ mobile: '?1' })
    expect(callerFrom(header({}), '192.0.2.1').hints).toBeUndefined()
  })
})
