/** Reasons for which a registration is refused: each that the room may give has words in each language. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { LANGUAGES, messages } from '@/lib/texts'
import { reasonIn } from './reasons'

const ROOM = path.join(import.meta.dirname, '../../lib/oidc')
const FILES = ['client-metadata', 'client-registry', 'certificates', 'certificate-names', 'claims-mapping']

/** Begins of sentences that say what is wrong, as the room writes them. */
const BEGINS =
  'must |cannot |can only |needs |is (?:not|for|reserved|the name|there|nothing) |asks for|say either|says whom|there is |nobody |no app |has braces|an app with|it is the only'

const said = FILES.flatMap((file) => {
  const source = readFileSync(path.join(ROOM, `${file}.ts`), 'utf8')
  const texts = source.matchAll(new RegExp(`(['"\`])((?:\\S+ )?(?:${BEGINS})(?:(?!\\1)[^\\n])*)\\1`, 'g'))
  return [...texts].map(([, , text = '']) => text.replace(/\$\{[^}]*\}+/g, 'Xyz'))
})

describe('German', () => {
  it('no_reason_of_a_refused_registration_is_left_in_english', () => {
    expect(said.length).toBeGreaterThan(60)
    expect(said.filter((text) => reasonIn('de', text) === text)).toEqual([])
  })

  it('what a sentence is about, and what is in it, stays as it was', () => {
    expect(reasonIn('de', 'http://a.example/must be https must be https')).toBe(
      'http://a.example/must be https muss https sein',
    )
    expect(reasonIn('de', 'must be one of RS256, ES256')).toBe('muss eines davon sein: RS256, ES256')
    expect(reasonIn('de', 'plan: value must not be nested more than 8 deep')).toBe(
      'plan: value darf höchstens 8 Ebenen tief verschachtelt sein',
    )
    expect(reasonIn('de', 'something else')).toBe('something else')
    expect(reasonIn('en', 'must be https')).toBe('must be https')
  })

  it.each(LANGUAGES)('%s: holes are those of English', (tag) => {
    const holes = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()
    for (const [key, text] of Object.entries(messages('en').reasons))
      expect([
        key,
        holes(messages(tag).reasons[key as keyof ReturnType<typeof messages>['reasons']]),
      ]).toEqual([key, holes(text)])
  })
})
