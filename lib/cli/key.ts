/** gatehouse key …: the keys that sign tokens. */
import type { Command } from 'commander'
import type { KeyView } from '../oidc'
import { json, refused, say, table } from './output'
import { withStores } from './session-of-work'

const HEAD = ['kid', 'algorithm', 'status', 'made', 'signs since', 'signed until', 'what comes']

/** What the portal does next with a key, and when. */
function comes({ status, rotatesAt, publishedUntil }: KeyView): string | null {
  const day = (at: Date) => at.toISOString().slice(0, 10)
  if (status === 'next') return 'signs after the active one'
  if (status === 'active') return rotatesAt ? `signs until ${day(rotatesAt)}` : 'signs until it is rotated'
  return publishedUntil ? `published until ${day(publishedUntil)}` : null
}

const print = (all: KeyView[]): void =>
  table(
    HEAD,
    all.map((k) => [k.kid, k.algorithm, k.status, k.createdAt, k.activeAt, k.retiredAt, comes(k)]),
    'No signing keys yet: the portal makes them at its first start.',
  )

async function list(options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { keys } = await import('../oidc')
    const all = await keys.list()
    if (options.json) return json(all)
    print(all)
  })
}

interface RotateOptions {
  algorithm?: string
  emergency?: boolean
  all?: boolean
  now?: boolean
  json?: boolean
}

async function rotate({ algorithm, emergency, all, now, json: asJson }: RotateOptions): Promise<void> {
  await withStores(async () => {
    const { keys } = await import('../oidc')
    const done = await keys.rotate({
      actor: 'operator',
      ...(algorithm && { algorithm }),
      ...(emergency && { emergency }),
      ...(all && { all }),
      ...(now && { early: true }),
    })
    if (!done.ok) throw refused(done.refusal)
    if (asJson) return json(done.value)
    say(
      emergency
        ? 'Rotated. The old keys are no longer published: ID tokens and signed access tokens made with them are refused,\nby apps as soon as they read the keys again. Sessions, refresh tokens and opaque tokens live on.\n'
        : 'Rotated. The old keys stay published until nothing they signed is needed.\n',
    )
    print(done.value)
  })
}

async function redate(options: { json?: boolean }): Promise<void> {
  await withStores(async () => {
    const { keys } = await import('../oidc')
    const done = await keys.redate()
    if (!done.ok) throw refused(done.refusal)
    if (options.json) return json(done.value)
    say(
      done.value.length > 0
        ? `Mended: ${done.value.length} ${done.value.length === 1 ? 'key' : 'keys'}. Their times begin now.\n`
        : 'No key has a time in the future.\n',
    )
    print(await keys.list())
  })
}

export function keyCommands(program: Command): void {
  const key = program.command('key').description('the keys that sign tokens')
  key.command('list').description('all signing keys').option('--json', 'print JSON').action(list)
  key
    .command('rotate')
    .description('sign with the next key from now on; live tokens stay good')
    .option('--algorithm <alg>', 'only this one: ES256, RS256 or EdDSA')
    .option('--now', 'also when the next key is published for less than a day, and some apps may not know it')
    .option('--emergency', 'the key in use may be known to others: unpublish it at once')
    .option('--all', 'with --emergency: the next and the older ones may be known too')
    .option('--json', 'print JSON')
    .action(rotate)
  key
    .command('redate')
    .description(
      'after a clock ran ahead and is right again: times of keys that lie in the future become now',
    )
    .option('--json', 'print JSON')
    .action(redate)
}
