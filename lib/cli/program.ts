/** One command line of the operator's, from its words to its exit code. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Command, CommanderError } from 'commander'
import { ConfigError } from '../base/env'
import { StoresDown } from '../base/refusals'
import { BootError, ROOT } from '../host'
import { clientCommands } from './client'
import { clinicCommand } from './clinic'
import { doctorCommand } from './doctor'
import { eventCommands } from './event'
import { keyCommands } from './key'
import { CliError } from './output'
import { resourceCommands } from './resource'
import { restoredCommand } from './restored'
import { sessionCommands } from './session'
import { closeClients } from './session-of-work'
import { userCommands } from './user'

function program(): Command {
  const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const gatehouse = new Command('gatehouse')
    .description('Runs beside the portal or without it; both work on the same data.')
    .version(version)
    .option('--debug', 'show logs, and where an unexpected error came from')
    .showHelpAfterError('(add --help for what it takes)')
    .showSuggestionAfterError()
    .exitOverride()
  clientCommands(gatehouse)
  resourceCommands(gatehouse)
  userCommands(gatehouse)
  sessionCommands(gatehouse)
  keyCommands(gatehouse)
  eventCommands(gatehouse)
  clinicCommand(gatehouse)
  doctorCommand(gatehouse)
  restoredCommand(gatehouse)
  return gatehouse
}

function tell(error: unknown, debug: boolean): void {
  const complain = (text: string) => process.stderr.write(`${text}\n`)
  if (error instanceof CliError) {
    complain(error.message)
    if (error.hint) complain(`→ ${error.hint}`)
  } else if (error instanceof BootError || error instanceof ConfigError) complain(error.message)
  else if (error instanceof StoresDown) {
    const what = error.store === 'postgres' ? 'The database' : 'Redis'
    complain(`${what} does not answer.\n→ gatehouse doctor says more.`)
  } else complain(`This should not have happened: ${(error as Error).message?.split('\n')[0]}`)
  if (debug) complain(String((error as Error).stack))
}

/** As `npm start` does: the portal's own folder counts, wherever the command is typed. */
function takeSettings(): void {
  if (process.env.GATEHOUSE_DATA) process.env.GATEHOUSE_DATA = path.resolve(process.env.GATEHOUSE_DATA)
  process.chdir(ROOT)
  if (existsSync('.env')) process.loadEnvFile('.env')
}

/**
 * Runs one command line on standard input, output and error, and leaves nothing open.
 * @returns the exit code
 */
export async function runCommand(argv: string[]): Promise<number> {
  process.exitCode = 0
  const debug = argv.includes('--debug')
  takeSettings()
  // Logs go to standard output, which belongs to the command's answer here.
  process.env.LOG_LEVEL = debug ? 'debug' : 'silent'
  try {
    await program().parseAsync(argv, { from: 'user' })
  } catch (error) {
    // Help, version and usage errors were already printed by the library.
    if (error instanceof CommanderError) process.exitCode = error.exitCode
    else {
      tell(error, debug)
      process.exitCode = 1
    }
  } finally {
    await closeClients()
  }
  return Number(process.exitCode)
}
