import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'

export interface Person {
  firstName: string
  lastName: string
  email: string
  password: string
}

const FIRST = ['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Donald', 'Radia', 'Tim']
const LAST = ['Lovelace', 'Hopper', 'Turing', 'Dijkstra', 'Liskov', 'Knuth', 'Perlman', 'Berners-Lee']

/** Somebody nobody has met yet. */
export function newPerson(): Person {
  const id = randomBytes(5).toString('hex')
  const pick = (names: string[]) => names[(randomBytes(1)[0] ?? 0) % names.length] ?? 'Ada'
  const firstName = pick(FIRST)
  return {
    firstName,
    lastName: pick(LAST),
    email: `${firstName.toLowerCase()}.${id}@example.com`,
    password: `violet-anvil-${id}-harbour`,
  }
}

/** The operator among the demonstration's people, of the portal that all journeys share or of the one with this data. */
export function demoAdmin(data = process.env.E2E_DATA ?? ''): Person {
  type Known = { email: string; password: string; name: string; admin: boolean }
  const { users } = JSON.parse(readFileSync(path.join(data, 'demo.json'), 'utf8')) as { users: Known[] }
  const found = users.find(({ admin }) => admin)
  if (!found) throw new Error('the demonstration has no operator')
  const [firstName = '', lastName = ''] = found.name.split(' ')
  return { ...found, firstName, lastName }
}
