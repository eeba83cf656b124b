/** What the documents promise, compared with what the code does: names, defaults, keys, links, commands. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'
import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { ENV_DEFAULTS, ENV_NAMES, readEnv } from './base/env'
import { PROVIDER_SETTINGS } from './base/env-federation'
import { CHANNELS, KEYS } from './base/keys'
import { clientCommands } from './cli/client'
import { clinicCommand } from './cli/clinic'
import { doctorCommand } from './cli/doctor'
import { eventCommands } from './cli/event'
import { keyCommands } from './cli/key'
import { resourceCommands } from './cli/resource'
import { restoredCommand } from './cli/restored'
import { sessionCommands } from './cli/session'
import { userCommands } from './cli/user'
import { CHECK_IDS, CHECKS, GROUPS } from './clinic'
import { messages } from './texts'

const words: { groups: Record<string, string>; checks: Record<string, { title: string; fix: string }> } =
  messages('en').clinic
const ROOT = path.resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')

/** The documents: those at the root, and all below docs/. */
const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true })
    .map((name) => `docs/${String(name).split(path.sep).join('/')}`)
    .filter((name) => name.endsWith('.md')),
]

/** From a heading to the next one of its level or above. */
function section(text: string, heading: string): string {
  const lines = text.split('\n')
  const from = lines.indexOf(heading)
  expect(from, heading).toBeGreaterThanOrEqual(0)
  const level = heading.indexOf(' ')
  const length = lines.slice(from + 1).findIndex((line) => /^#+ /.test(line) && line.indexOf(' ') <= level)
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length).join('\n')
}

/** The cells of each row of a table, without its head. */
const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )

const code = (cell = ''): string | null => /^`([^`]*)`$/.exec(cell)?.[1] ?? null

describe('what the provider is held to', () => {
  const OWN = 'lib/oidc/conformance.test.ts'
  /** Titles of the tests of a file, as they stand there. */
  const titles = (file: string): string[] =>
    [...read(file).matchAll(/(?:\b(?:it|test)|[\])A-Z]\))\(\s*(['"`])(.+?)\1/g)].map(
      ([, , title = '']) => title,
    )
  const listed = [...read('docs/oauth-conformance.md').matchAll(/`(\S+\.(?:test|spec)\.ts): ([^`]+)`/g)].map(
    ([, file = '', title = '']) => ({ file, title }),
  )

  test('each row names a test that is there', () => {
    expect(listed.length).toBeGreaterThan(70)
    for (const { file, title } of listed) expect(titles(file), file).toContain(title)
  })

  test('no test that is made for it is left out', () => {
    const here = listed.filter(({ file }) => file === OWN).map(({ title }) => title)
    expect([...titles(OWN)].sort()).toEqual([...new Set(here)].sort())
  })
})

describe('configuration', () => {
  const table = rows(section(read('README.md'), '## Configuration'))

  test('README names exactly the variables there are', () => {
    expect(table.map(([name]) => code(name)).sort()).toEqual([...ENV_NAMES].sort())
  })

  test.each(table)('README knows the default of %s', (name, shown) => {
    const value = ENV_DEFAULTS[code(name) as keyof typeof ENV_DEFAULTS]
    const asTyped = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value ?? '')
    expect(shown === '–' ? '' : code(shown)).toBe(asTyped)
  })

  test('docs/operations.md has exactly the settings that a provider can have', () => {
    const [, ...lines] = section(read('docs/operations.md'), '## Sign-in with other providers').split(
      '| setting |',
    )
    const named = rows(`| setting |${lines.join('')}`).map(([name]) => code(name))
    expect(named.sort()).toEqual([...PROVIDER_SETTINGS].sort())
  })

  test('.env.example has every variable once, with a value that may stand there', () => {
    const lines = read('.env.example').match(/^# [A-Z][A-Z0-9_]+=.*$/gm) ?? []
    const names = lines.map((line) => line.slice(2, line.indexOf('=')))
    expect(names.sort()).toEqual([...ENV_NAMES].sort())
    const values = parseEnv(lines.map((line) => line.slice(2)).join('\n')) as Record<string, string>
    expect(() => readEnv(values)).not.toThrow()
    for (const [name, value] of Object.entries(ENV_DEFAULTS)) {
      if (value === undefined || value === '') continue
      expect(values[name], name).toBe(typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value))
    }
  })
})

describe('docs/redis-keys.md', () => {
  const text = read('docs/redis-keys.md')
  const keys = rows(section(text, '## Keys'))

  test('lists exactly the keys there are, with their types', () => {
    const documented = keys.map(([pattern, type]) => `${code(pattern)} ${type}`)
    expect(documented).toEqual(Object.values(KEYS).map(({ pattern, type }) => `${pattern} ${type}`))
  })

  test.each(Object.values(KEYS).map((spec) => [spec.pattern, spec.ttlSeconds] as const))(
    'says how long %s lives, where that is fixed',
    (pattern, seconds) => {
      const life = keys.find(([name]) => code(name) === pattern)?.[2]
      const known: Record<number, string> = {
        15: '15 s',
        300: '5 min',
        600: '10 min',
        900: '15 min',
        604800: '7 days',
        2592000: '30 days',
      }
      if (seconds !== null) expect(life).toBe(known[seconds])
      else expect(life).toBeTruthy()
    },
  )

  test('lists exactly the channels there are', () => {
    const documented = rows(section(text, '## Channels')).map(([name]) => code(name))
    expect(documented.sort()).toEqual(Object.values(CHANNELS).sort())
  })
})

describe('docs/clinic.md', () => {
  const text = section(read('docs/clinic.md'), '## What it checks')

  test.each(GROUPS)('has exactly the checks of %s, in the words of the report', (group) => {
    const told = rows(section(text, `### ${words.groups[group]}`))
    const made = CHECK_IDS.filter((id) => CHECKS[id].group === group).map((id) => [
      `\`${id}\``,
      words.checks[id]?.title,
      CHECKS[id].expects === 'accepted' ? 'accepts it' : 'refuses it',
      CHECKS[id].weight,
      `[${CHECKS[id].section.name}](${CHECKS[id].section.url})`,
      words.checks[id]?.fix,
    ])
    expect(told).toEqual(made)
  })
})

/** As GitHub makes them. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[`*]/g, '')
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/ /g, '-')

const withoutBlocks = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '')

const anchors = (text: string): string[] =>
  [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))

describe('links', () => {
  test('lead somewhere', () => {
    const broken = DOCUMENTS.flatMap((file) =>
      [...withoutBlocks(read(file)).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, to = '']) => to)
        .filter((to) => !/^(https?|mailto):/.test(to))
        .filter((to) => {
          const [place = '', anchor] = to.split('#')
          const target = place ? path.join(path.dirname(file), place) : file
          if (!existsSync(path.join(ROOT, target))) return true
          return anchor !== undefined && !anchors(read(target)).includes(anchor)
        })
        .map((to) => `${file}: ${to}`),
    )
    expect(broken).toEqual([])
  })

  test('name pictures that a reader does not have to wait for', () => {
    for (const name of readdirSync(path.join(ROOT, 'docs/images'))) {
      expect(readFileSync(path.join(ROOT, 'docs/images', name)).byteLength, name).toBeLessThan(150_000)
    }
  })
})

describe('the command line', () => {
  const program = new Command('gatehouse')
  for (const add of [
    clientCommands,
    resourceCommands,
    userCommands,
    sessionCommands,
    keyCommands,
    eventCommands,
    clinicCommand,
    doctorCommand,
    restoredCommand,
  ])
    add(program)

  /** Why a typed command does not exist; null when it does. */
  function wrong(typed: string): string | null {
    let at: Command = program
    const words = typed.split(/\s+/).filter(Boolean)
    while (words[0] && /^[a-z][a-z-]*$/.test(words[0])) {
      const next = at.commands.find((command) => command.name() === words[0])
      if (!next) break
      at = next
      words.shift()
    }
    if (at === program) return typed
    if (at.commands.length > 0 && words[0] && !/^[-<…]/.test(words[0])) return typed
    const known = ['--help', '--debug', ...at.options.flatMap(({ long, short }) => [long, short])]
    const options = words.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.split('=')[0])
    const unknown = options.find((option) => !known.includes(option))
    return unknown ? `${typed}: ${unknown}` : null
  }

  test('knows every command that a document names', () => {
    const typed = DOCUMENTS.flatMap((file) =>
      [
        ...read(file)
          .replace(/\\\n\s*/g, ' ')
          .matchAll(/npx gatehouse ([^\n`|#<]*)/g),
      ].map(([, rest = '']) =>
        // What stands in quotes is a value.
        rest.replace(/"[^"]*"/g, 'value').trim(),
      ),
    ).filter((line) => line && line !== '…')
    expect(typed.length).toBeGreaterThan(10)
    expect(typed.flatMap((line) => wrong(line) ?? [])).toEqual([])
    expect(['user ad', 'user add --mail', 'sesion list', 'client --name'].map(wrong)).not.toContain(null)
  })

  test('is described whole in docs/operations.md', () => {
    const text = section(read('docs/operations.md'), '## The command line')
    const leaves = program.commands.flatMap((group) =>
      group.commands.length ? group.commands.map((c) => `${group.name()} ${c.name()}`) : [group.name()],
    )
    const table = rows(text)
      .map(([first = '']) => first)
      .join('\n')
    expect(leaves.filter((name) => !table.includes(`\`${name}`))).toEqual([])
    const options = program.commands
      .find((group) => group.name() === 'client')
      ?.commands.find((command) => command.name() === 'add')
      ?.options.flatMap(({ long }) => long ?? [])
    expect(options?.filter((option) => option !== '--json' && !text.includes(option))).toEqual([])
  })
})

test('docs/decisions are numbered once each', () => {
  const numbers = readdirSync(path.join(ROOT, 'docs/decisions')).map((name) => name.slice(0, 3))
  expect(new Set(numbers).size).toBe(numbers.length)
})

test('docs/openapi.yaml describes the JSON endpoints of the portal', () => {
  const paths = [...read('docs/openapi.yaml').matchAll(/^ {2}(\/\S*):$/gm)].map(([, name]) => name)
  expect(paths).toEqual([
    '/api/session',
    '/api/session/events',
    '/api/me/provider-tokens/{provider}',
    '/api/admin/clients',
    '/api/admin/clients/{clientId}',
    '/api/admin/clients/{clientId}/disable',
    '/api/admin/clients/{clientId}/enable',
    '/api/admin/clients/{clientId}/secrets',
    '/api/admin/clients/{clientId}/secrets/{secretId}',
    '/healthz',
    '/readyz',
    '/dev/mailbox.json',
    '/.well-known/webauthn',
    '/.well-known/passkey-endpoints',
    '/.well-known/oauth-protected-resource/api/admin',
    '/.well-known/change-password',
    '/oidc/.well-known/openid-configuration',
    '/oidc/client-certificate',
  ])
})
