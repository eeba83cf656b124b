import { readdirSync, readFileSync } from 'node:fs'
import { createTranslator } from 'use-intl/core'
import { describe, expect, it } from 'vitest'
import { PERSONAL } from '../audit/kinds'
import { SPOKEN } from '../base/caller'
import { REFUSALS } from '../base/refusals'
import { LANGUAGES, language, messages } from './index'

const flat = (tree: object, path = ''): [key: string, text: unknown][] =>
  Object.entries(tree).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null ? flat(value, `${path}${name}.`) : [[path + name, value]],
  )

/** The arguments of an ICU message with their kinds, and its tags: `count:plural`, `name:text`, `<b>`. */
function shapeOf(message: string): string[] {
  const found = new Set<string>([...message.matchAll(/<(\w+)>/g)].map(([tag]) => tag))
  const walk = (text: string) => {
    for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at)) {
      let depth = 1
      let end = at + 1
      for (; depth > 0; end++) {
        if (end >= text.length) throw new Error(`unbalanced: ${message}`)
        if (text[end] === '{') depth++
        else if (text[end] === '}') depth--
      }
      const [name = '', kind = 'text', ...rest] = text.slice(at + 1, end - 1).split(',')
      found.add(`${name.trim()}:${kind.trim()}`)
      const branches = rest.join(',')
      if (branches) {
        if (!/\bother\s*\{/.test(branches)) throw new Error(`no branch "other": ${message}`)
        for (const [, branch = ''] of branches.matchAll(/(?:=\d+|\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}/g))
          walk(branch)
      }
      at = end
    }
  }
  walk(message)
  return [...found].sort()
}

/** Nothing to translate: no lower-case letters, or one argument alone. */
const SAME_IN_GERMAN = /^[^\p{Ll}]*$|^\{\w+\}$/u

/** What product code says where `pattern` looks: its first group. */
const saidInCode = (folders: string[], pattern: RegExp): Set<string> =>
  new Set(
    folders
      .flatMap((folder) =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter((name) => /\.tsx?$/.test(name) && !/\.(test|fixture)\./.test(name))
          .map((name) => `${folder}/${name}`),
      )
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(pattern)].map(([, said]) => said ?? '')),
  )

describe('texts', () => {
  it.each(LANGUAGES)('%s has the keys of English, none empty', (tag) => {
    const entries = flat(messages(tag))
    expect(entries.map(([key]) => key).sort()).toEqual(
      flat(messages('en'))
        .map(([key]) => key)
        .sort(),
    )
    for (const [key, text] of entries) expect(text, key).toMatch(/\S/)
  })

  it.each(LANGUAGES)('%s takes the same arguments as English, and has the same tags', (tag) => {
    const english = new Map(flat(messages('en')))
    for (const [key, text] of flat(messages(tag))) {
      expect({ key, shape: shapeOf(String(text)) }).toEqual({ key, shape: shapeOf(String(english.get(key))) })
    }
  })

  it('German is translated, not copied', () => {
    const english = new Map(flat(messages('en')))
    const copied = flat(messages('de')).filter(
      ([key, text]) =>
        text === english.get(key) && String(text).split(' ').length > 2 && !SAME_IN_GERMAN.test(String(text)),
    )
    expect(copied).toEqual([])
  })

  it('German is formal: nobody is "du" here', () => {
    const familiar = flat(messages('de')).filter(([, text]) =>
      /(?<!\p{L})(du|dir|dich|dein\w*|euch|euer\w*)(?!\p{L})/iu.test(String(text)),
    )
    expect(familiar).toEqual([])
  })

  it('German has one word for one thing: those on the right of the glossary are gone', () => {
    const table = readFileSync('docs/glossary.md', 'utf8').split('## In German')[1] ?? ''
    const gone = [...table.matchAll(/^\| \S.*? \| .*? \| `(.+?)` \|$/gm)].map(([, pattern = '']) => pattern)
    expect(gone.length).toBeGreaterThan(8)
    const any = new RegExp(gone.map((one) => one.replaceAll('\\|', '|')).join('|'), 'u')
    expect(flat(messages('de')).filter(([, text]) => any.test(String(text)))).toEqual([])
  })

  it('the languages that requests are matched with are those there are words for', () => {
    expect([...SPOKEN]).toEqual(LANGUAGES)
  })

  it.each(LANGUAGES)('%s has words for every refusal', (locale) => {
    const failed: string[] = []
    const t = createTranslator({
      locale,
      messages: messages(locale),
      namespace: 'refusals',
      onError: (error) => failed.push(error.message),
    })
    for (const code of Object.keys(REFUSALS) as (keyof typeof REFUSALS)[]) {
      expect(t(code, { min: 10, max: 128, when: 'in 3 minutes', provider: 'Google' }).length).toBeGreaterThan(
        20,
      )
    }
    expect(failed).toEqual([])
  })

  it.each(LANGUAGES)('%s has words for every event that people read in their history', (locale) => {
    const failed: string[] = []
    const t = createTranslator({
      locale,
      messages: messages(locale),
      namespace: 'activity.events',
      onError: (error) => failed.push(error.message),
    }) as unknown as (key: string, values: object) => string
    const values = { method: 'M', again: 'true', name: 'N', app: 'A', left: 2, on: 'true', reason: 'user' }
    const said = PERSONAL.map((type) => t(type, values))
    expect(failed).toEqual([])
    expect(said.filter((text) => text.length < 8)).toEqual([])
    // Two kinds of events told alike could not be told apart.
    expect(new Set(said).size).toBe(said.length)
  })

  it.each(LANGUAGES)('every_reason_for_which_a_session_ends_has_words_of_its_own: %s', (locale) => {
    const t = createTranslator({
      locale,
      messages: messages(locale),
      namespace: 'activity.events.session',
    }) as unknown as (key: string, values: object) => string
    const reasons = saidInCode(['lib', 'app'], /\breason(?:: | = )'(\w+)'/g)
    expect([...reasons]).toEqual(expect.arrayContaining(['user', 'too_many', 'expired', 'provider_logout']))
    // "From another session" is told of those alone that a person ended from one.
    const said = [...reasons].map((reason) => t('revoked', { reason }))
    expect(new Set(said).size).toBe(said.length)
  })

  it.each(LANGUAGES)('every_way_that_a_session_was_entered_by_has_words: %s', (locale) => {
    const { method, proven } = messages(locale).account
    const ways = saidInCode(['lib/signin', 'lib/sessions', 'lib/factors'], /\bmethod: '(\w+)'/g)
    expect([...ways]).toEqual(expect.arrayContaining(['password', 'address', 'guest']))
    expect([...ways].filter((way) => !(way in method || way in proven))).toEqual([])
  })

  it('falls back from a region to its language, and to English', () => {
    expect(language('en-AU')).toBe('en')
    expect(language('de-AT')).toBe('de')
    expect(language('xx')).toBe('en')
    expect(language('constructor')).toBe('en')
  })
})
