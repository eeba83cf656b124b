/** The command line, on a portal that runs. */
import { execFile } from 'node:child_process'
import path from 'node:path'

/** Runs `gatehouse …`; `input` is what a person would type. */
export function gatehouse(
  args: string[],
  options: { data?: string; input?: string; settings?: Record<string, string> } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ['scripts/gatehouse.mjs', ...args],
      {
        cwd: path.resolve(import.meta.dirname, '..'),
        env: {
          ...process.env,
          NODE_ENV: 'production',
          GATEHOUSE_DATA: options.data ?? process.env.E2E_DATA,
          ...options.settings,
        },
      },
      (error, stdout, stderr) =>
        error ? reject(new Error(`gatehouse ${args.join(' ')}: ${stderr}${stdout}`)) : resolve(stdout),
    )
    child.stdin?.end(options.input)
  })
}
