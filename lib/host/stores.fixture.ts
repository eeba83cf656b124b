/** A process that opens the stores, says so in one line of JSON, and lives until it is ended. */
import { env } from '../base/env'
import { openStores } from './stores'

try {
  const stores = await openStores({
    role: process.argv[2] === 'command' ? 'command' : 'portal',
    onTrouble: (text) => process.stderr.write(`${text}\n`),
  })
  // Before the line is out: whoever reads it may end this process at once.
  process.on('SIGTERM', () => void stores.close().then(() => process.exit(0)))
  process.stdout.write(
    `${JSON.stringify({ databaseUrl: env().databaseUrl, redisUrl: env().redisUrl, migrated: stores.migrated })}\n`,
  )
  setInterval(() => {}, 60_000)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}
