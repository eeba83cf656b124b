/** gatehouse event …: the append-only history, and whether it is whole. */
import type { Command } from 'commander'
import type { Verified } from '../audit'
import { CliError, json, say } from './output'
import { withStores } from './session-of-work'
import { userNamed } from './user'

async function verify(name: string | undefined, options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const audit = await import('../audit')
    const broken: Verified[] = []
    const sum = { people: 0, events: 0 }
    const look = async (userId: string) => {
      const verified = await audit.verify(userId)
      sum.people++
      sum.events += verified.events
      if (verified.problems.length > 0) broken.push(verified)
    }
    if (name !== undefined) await look((await userNamed(name)).id)
    else for await (const userId of audit.people()) await look(userId)
    if (options.json) json({ ...sum, broken })
    else {
      for (const { userId, problems } of broken) for (const problem of problems) say(`${userId}: ${problem}`)
      if (broken.length === 0)
        say(`Whole: ${sum.events} events of ${sum.people} ${sum.people === 1 ? 'person' : 'people'}.`)
    }
    if (broken.length > 0)
      throw new CliError(
        `${broken.length} of ${sum.people} histories are not as they were written.`,
        'Somebody with rights on the database changed them; compare with a backup or with exports of their owners.',
      )
  })
}

export function eventCommands(program: Command): void {
  const event = program.command('event').description('the append-only history of each person')
  event
    .command('verify')
    .argument('[user]', 'id or e-mail; everybody when left out')
    .description('compute the chain of events again: show what was changed, removed, moved or put in')
    .option('--json', 'print JSON')
    .action(verify)
}
