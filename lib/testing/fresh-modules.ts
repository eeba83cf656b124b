/**
 * Runs before each test file. A worker goes from file to file and keeps what comes from packages, which takes most of
 * the time to load; the house itself, its environment and what a test put in the place of something begin anew.
 */
import { vi } from 'vitest'

const first = globalThis as { environmentAtFirst?: NodeJS.ProcessEnv }
first.environmentAtFirst ??= { ...process.env }

vi.useRealTimers()
vi.restoreAllMocks()
vi.unstubAllGlobals()
for (const name of Object.keys(process.env)) if (!(name in first.environmentAtFirst)) delete process.env[name]
Object.assign(process.env, first.environmentAtFirst)
vi.resetModules()
