/**
 * Room: host.
 * Owns: the process. Its data folder, embedded stores, migrations, HTTP server, start and end.
 * Hands off: every decision about people and apps to the rooms; pages to Next.
 * Invariants: one portal for a data folder; every answer carries the same headers; nothing is acted on
 *   before its Host was judged; what a commit promised survives any kill.
 * The portal itself is `portal.ts`, an entry of its own, because it brings Next along.
 */
export { BootError } from './boot-error'
export { DEMO_ADDRESSES, type DemoFacts, demoFacts, saveDemoFacts } from './demo'
export { isMigrated, knownMigrations, migrate } from './migrate'
export { listen } from './ports'
export { ROOT } from './root'
export { refuseUnsafeDefaults } from './safety'
export { attachStores, openStores, type Stores } from './stores'
