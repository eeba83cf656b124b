/** gatehouse restored: what was ended or used since a backup does not come to life again with it (OPS1). */
import type { Command } from 'commander'
import { unhurried } from '../base/db'
import { dropKeys } from '../base/redis'
import { CliError, json, say } from './output'
import { withStores } from './session-of-work'

async function restored(options: { keepBackupCodes?: boolean; json?: boolean }): Promise<void> {
  await withStores(async ({ portal }) => {
    if (portal) {
      throw new CliError(
        'The portal runs, and people use what is to be ended.',
        'Stop it (every process of it), run this, and start it again.',
      )
    }
    const [sessions, factors, oidc, recovery, audit] = await Promise.all([
      import('../sessions'),
      import('../factors'),
      import('../oidc'),
      import('../recovery'),
      import('../audit'),
    ])
    const done = await unhurried(async (run) => {
      const apps = await oidc.endAfterRestore(run)
      const ended = {
        sessions: await sessions.endAfterRestore(run),
        refresh_tokens: apps.refreshTokens,
        personal_tokens: apps.personalTokens,
        consents: apps.consents,
        recoveries: await recovery.endAfterRestore(run),
      }
      const { links, backupCodes } = await factors.voidAfterRestore(run, {
        backupCodes: options.keepBackupCodes ?? false,
      })
      const counts = { ...ended, links, backup_codes: backupCodes }
      return { ...counts, deliveries: await audit.giveUpAfterRestore(run, counts) }
    })
    const all = { ...done, redis_keys: await dropKeys() }
    if (options.json) return json(all)
    say(
      `Ended ${all.sessions} sessions, ${all.refresh_tokens} refresh tokens, ${all.personal_tokens} personal access ` +
        `tokens, ${all.consents} consents and ${all.recoveries} recoveries, voided ${all.links} links and ${all.backup_codes} backup codes, ` +
        `gave up ${all.deliveries} deliveries, forgot ${all.redis_keys} keys in Redis. The portal may start.`,
    )
  })
}

export function restoredCommand(program: Command): void {
  program
    .command('restored')
    .description('after a backup was put back, before the portal starts: ends what was ended or used since')
    .option('--keep-backup-codes', 'those used since the backup are good once more')
    .option('--json', 'print JSON')
    .action(restored)
}
