/**
 * Room: cli. The operator's command line, `npx gatehouse …`.
 * Owns: words, tables, JSON and exit codes of commands. Hands off: everything done, to the rooms' faces.
 * Invariants: secrets are shown once and never read back; a failure is one sentence and exit code 1.
 */
import { runCommand } from './program'

process.exitCode = await runCommand(process.argv.slice(2))
// Everything is closed now; should something still hold the process, it ends all the same.
setTimeout(() => process.exit(), 3000).unref()
