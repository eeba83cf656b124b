/** Reads what is typed: a password, so that it is seen neither on the screen nor in the list of processes; a file of JSON. */
import path from 'node:path'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CliError } from './output'

/** The first line of standard input, when it is no terminal: `pass show x | gatehouse user add …`. */
async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    return line
  }
  return ''
}

function ask(question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const prompt = createInterface({ input: process.stdin, output: silent, terminal: true })
  process.stderr.write(question)
  return new Promise((resolve, reject) => {
    prompt.question('', (answer) => {
      prompt.close()
      process.stderr.write('\n')
      resolve(answer)
    })
    prompt.on('SIGINT', () => {
      prompt.close()
      process.stderr.write('\n')
      reject(new CliError('Canceled.'))
    })
  })
}

/** A new password: typed twice at a terminal, else one line of standard input. */
export async function newPassword(): Promise<string> {
  if (!process.stdin.isTTY) {
    const line = await firstLine()
    if (!line) throw new CliError('No password given.', 'Pass --password, or write it to standard input.')
    return line
  }
  const password = await ask('Password: ')
  if ((await ask('Once more: ')) !== password) throw new CliError('The two passwords differ.')
  return password
}

/** Where the command was typed: the process works in the portal's folder from its first moment on. */
const TYPED_IN = process.cwd()

/** A file of the operator's, or standard input for `-`. */
export async function readJson(file: string): Promise<unknown> {
  const { readFile } = await import('node:fs/promises')
  let text: string
  try {
    text =
      file === '-'
        ? Buffer.concat(await process.stdin.toArray()).toString('utf8')
        : await readFile(path.resolve(TYPED_IN, file), 'utf8')
  } catch {
    throw new CliError(`${file} cannot be read.`)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CliError(`${file} is not JSON: ${(error as Error).message}`)
  }
}
