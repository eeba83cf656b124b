import { randomBytes } from 'node:crypto'

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
