/** gatehouse key …: the keys that sign ID tokens. */
import type { Command } from 'commander'
import { json, refused, say, table } from './output'
import { withStores } from './session-of-work'

const HEAD = ['kid', 'algorithm', 'status', 'made', 'signs since', 'retired']

async function list(options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { keys } = await import('../oidc')
    const all = await keys.list()
    if (options.json) return json(all)
    table(
      HEAD,
      all.map((k) => [k.kid, k.algorithm, k.status, k.createdAt, k.activeAt, k.retiredAt]),
      'No signing keys yet: the portal makes them at its first start.',
    )
  })
}

async function rotate(options: { algorithm?: string; emergency?: boolean; json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { keys } = await import('../oidc')
    const done = await keys.rotate({
      actor: 'operator',
      ...(options.algorithm && { algorithm: options.algorithm }),
      ...(options.emergency && { emergency: true }),
    })
    if (!done.ok)
      throw refused({
        ...done.refusal,
        values: { message: `Known algorithms: ${done.refusal.values?.known}.` },
      })
    if (options.json) return json(done.value)
    say(
      options.emergency
        ? 'Rotated. The old keys are no longer published: what they signed is refused.\n'
        : 'Rotated. The old keys stay published until nothing they signed is needed.\n',
    )
    table(
      HEAD,
      done.value.map((k) => [k.kid, k.algorithm, k.status, k.createdAt, k.activeAt, k.retiredAt]),
      '',
    )
  })
}

export function keyCommands(program: Command): void {
  const key = program.command('key').description('the keys that sign ID tokens')
  key.command('list').description('all signing keys').option('--json', 'print JSON').action(list)
  key
    .command('rotate')
    .description('sign with the next key from now on; live tokens stay good')
    .option('--algorithm <alg>', 'only this one: ES256, RS256 or EdDSA')
    .option('--emergency', 'the key in use may be known to others: unpublish it at once')
    .option('--json', 'print JSON')
    .action(rotate)
}
