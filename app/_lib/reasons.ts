/**
 * Why a registration was refused, in the reader's language. The room says it in English, to programs and on the command
 * line too; `reasons` of the catalogue has each of its sentences, and what stands in their place elsewhere.
 */
import { type Language, messages } from '@/lib/texts'

const HOLE = /\{(\w+)\}/g
const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

/** Each sentence as it may come: with values in its holes, behind the thing that it is about. */
const SENTENCES = Object.entries(messages('en').reasons).map(([key, text]) => {
  const holes = [...text.matchAll(HOLE)].map(([, name]) => name ?? '')
  const inside = text
    .split(HOLE)
    .map((part, at) => (at % 2 === 1 ? '(.+)' : literal(part)))
    .join('')
  return {
    key: key as keyof ReturnType<typeof messages>['reasons'],
    holes,
    whole: new RegExp(`^(.*? )??${inside}$`, 's'),
  }
})

/** @returns the sentence as it is where the catalogue does not have it */
export function reasonIn(tag: Language, sentence: string): string {
  if (tag === 'en') return sentence
  for (const { key, holes, whole } of SENTENCES) {
    const found = whole.exec(sentence)
    if (!found) continue
    const [, about = '', ...values] = found
    return about + messages(tag).reasons[key].replace(HOLE, (_, name) => values[holes.indexOf(name)] ?? '')
  }
  return sentence
}
