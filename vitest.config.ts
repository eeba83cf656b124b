import path from 'node:path'
import { defineConfig } from 'vitest/config'

const root = import.meta.dirname

export default defineConfig({
  resolve: {
    alias: [
      // Outside Next there is no client bundle that a room could slip into.
      { find: /^server-only$/, replacement: path.join(root, 'lib/testing/server-only.ts') },
      { find: /^@\//, replacement: `${root}/` },
    ],
  },
  test: {
    include: [
      'lib/**/*.test.ts',
      'lib/**/*.test.tsx',
      'components/**/*.test.{ts,tsx}',
      'app/**/*.test.{ts,tsx}',
    ],
    exclude: ['node_modules/**', 'dist/**', '.next/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is waited for comes; how soon is the machine's.
    expect: { poll: { timeout: 15_000 } },
    maxWorkers: 2,
    isolate: false,
    setupFiles: ['lib/testing/fresh-modules.ts'],
    env: { NODE_ENV: 'test' },
  },
})
