/** Compiles one file of the house as the product build does, for tests that need a process of their own. */
import { cpSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const ROOT = path.resolve(import.meta.dirname, '../..')

/**
 * @param entry path from the repository's root, for example `lib/cli/main.ts`
 * @returns the compiled file's path; `node <path>` runs it
 */
export async function bundle(entry: string): Promise<string> {
  const outfile = path.join(ROOT, 'node_modules/.cache/gatehouse-test', entry.replace(/\.tsx?$/, '.mjs'))
  await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    jsx: 'automatic',
    alias: { '@': ROOT },
    plugins: [
      {
        name: 'server-only',
        setup(b) {
          b.onResolve({ filter: /^server-only$/ }, () => ({ path: 'server-only', namespace: 'empty' }))
          b.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: '' }))
        },
      },
    ],
    logLevel: 'silent',
  })
  // Started as a file of its own, from beside the program.
  cpSync(path.join(ROOT, 'lib/factors/hasher.mjs'), path.join(path.dirname(outfile), 'hasher.mjs'))
  return outfile
}
