/**
 * The demonstration: a few people with memorable passwords, an app that signs in through the portal,
 * and that app itself. Only where the portal is for this machine alone.
 */
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { replaceFile } from './data-folder'

const schema = z.object({
  users: z.array(z.object({ email: z.string(), password: z.string(), name: z.string(), admin: z.boolean() })),
  client: z.object({ clientId: z.string(), clientSecret: z.string().optional() }).optional(),
})

export type DemoFacts = z.infer<typeof schema>

const PEOPLE = [
  { email: 'ada@example.com', name: 'Ada Lovelace', admin: true },
  { email: 'grace@example.com', name: 'Grace Hopper', admin: false },
]

/** Whoever of them is left behind a public address holds a password that was made for a machine of one's own. */
export const DEMO_ADDRESSES: readonly string[] = PEOPLE.map(({ email }) => email)

// 128 words that are short, distinct and easy to type: four of them and two digits give 34 bits,
// enough behind the limits on password tries, on a portal that calls itself localhost.
const WORDS =
  'amber anchor apple arrow autumn bamboo basil beacon birch bloom border bridge bright bronze brook butter cabin candle canyon carbon castle cedar cherry cinder circle citrus cliff cloud clover cobalt comet copper coral cotton crane crystal dahlia dawn desert dragon dune eagle early echo ember falcon feather fennel fern fiddle field flint forest fossil fox garden garnet ginger glacier granite grape harbor hazel heron hollow honey island ivory jasmine juniper kettle lagoon lantern laurel lemon lilac linen lotus lunar maple marble meadow melon mint misty moss nectar night north oasis ocean olive onyx opal orbit orchid otter pebble pepper pine planet plum prairie quartz quiet raven reef ribbon river robin saffron sage sable silver sparrow spruce summer sunset thistle thunder timber topaz tulip valley velvet violet walnut willow winter wonder'.split(
    ' ',
  )

const word = (): string => WORDS[randomInt(WORDS.length)] ?? 'amber'

const memorable = (): string => `${[word(), word(), word(), word()].join('-')}-${randomInt(10, 100)}`

const fileIn = (dataDir: string) => path.join(dataDir, 'demo.json')

/** What was generated at an earlier start, or what this one begins with. */
export function demoFacts(dataDir: string): DemoFacts {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(fileIn(dataDir), 'utf8')))
    if (parsed.success) return parsed.data
  } catch {
    // First start, or a damaged file: made anew.
  }
  return { users: PEOPLE.map((person) => ({ ...person, password: memorable() })) }
}

export const saveDemoFacts = (dataDir: string, facts: DemoFacts): void =>
  replaceFile(fileIn(dataDir), `${JSON.stringify(facts, null, 2)}\n`)
