/** Runs command lines one after the other in one process, each as it would run in its own. */
import { Readable } from 'node:stream'
import { reloadEnv } from '../base/env'
import { resetLog } from '../base/log'
import { forgetKeys } from '../base/secrets'
import { runCommand } from './program'

export interface Line {
  args: string[]
  stdin: string
  env: NodeJS.ProcessEnv
}

export interface Outcome {
  code: number | null
  out: string
  err: string
}

/** Takes what is written to a stream until it is given back. */
function take(stream: NodeJS.WriteStream): () => string {
  const { write } = stream
  let text = ''
  stream.write = ((chunk: unknown) => {
    text += String(chunk)
    return true
  }) as typeof write
  return () => {
    stream.write = write
    return text
  }
}

process.on('message', async ({ args, stdin, env }: Line) => {
  process.env = { ...env }
  reloadEnv()
  forgetKeys()
  resetLog()
  Object.defineProperty(process, 'stdin', {
    value: Readable.from(stdin ? [Buffer.from(stdin)] : []),
    configurable: true,
  })
  const [out, err] = [take(process.stdout), take(process.stderr)]
  const code = await runCommand(args)
  process.exitCode = 0
  process.send?.({ code, out: out(), err: err() } satisfies Outcome)
})
