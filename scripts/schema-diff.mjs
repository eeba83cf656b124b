/**
 * Prints the SQL that would bring a database to prisma/schema.prisma; nothing printed means no drift.
 * Prisma's own `migrate diff` wants an engine binary it downloads; this uses the same engine as WASM.
 *
 *   DATABASE_URL=… node scripts/schema-diff.mjs            from that (migrated) database
 *   DATABASE_URL=… node scripts/schema-diff.mjs --empty    from nothing
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg'

globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => console.error(message) }

/** OIDs of catalogue types the driver adapter does not know: char, name, int2vector, regproc, oidvector. */
const CHAR = 18
const AS_TEXT = new Set([CHAR, 19, 22, 24, 30])
const TEXT = 25

/** Lets the engine read PostgreSQL's catalogue: its own types go as text, "char" as a character. */
function readsCatalogue(queryable) {
  const { performIO, queryRaw } = queryable
  queryable.performIO = async (query) => {
    const result = await performIO.call(queryable, query)
    query.characters = result.fields.map((field) => field.dataTypeID === CHAR)
    for (const field of result.fields) if (AS_TEXT.has(field.dataTypeID)) field.dataTypeID = TEXT
    return result
  }
  queryable.queryRaw = async (query) => {
    const result = await queryRaw.call(queryable, query)
    for (const [index, is] of (query.characters ?? []).entries()) {
      if (is) result.columnTypes[index] = ColumnTypeEnum.Character
    }
    return result
  }
  return queryable
}

class CataloguePg extends PrismaPg {
  async connect() {
    return readsCatalogue(await super.connect())
  }
}

async function loadEngine() {
  const wasmFile = path.join(
    path.dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm')),
    'schema_engine_bg.wasm',
  )
  const { instance } = await WebAssembly.instantiate(await readFile(wasmFile), {
    './schema_engine_bg.js': engineModule,
  })
  engineModule.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
}

/** What the engine says when there is nothing to say. */
const NOTHING = /^-- This is an empty migration\.\s*$/

/**
 * The SQL from the database's schema (or from an empty one) to prisma/schema.prisma; '' when they agree.
 * The engine does not look at what Prisma cannot say: partial and expression indexes, checks, triggers.
 */
export async function schemaDiff(databaseUrl, { empty = false } = {}) {
  await loadEngine()
  const url = new URL(databaseUrl)
  const adapter = bindMigrationAwareSqlAdapterFactory(
    new CataloguePg({
      host: decodeURIComponent(url.hostname),
      port: Number(url.port || 5432),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: url.pathname.slice(1),
    }),
  )
  const schemaPath = path.resolve(import.meta.dirname, '../prisma/schema.prisma')
  const files = [{ path: schemaPath, content: await readFile(schemaPath, 'utf8') }]
  const filters = { externalTables: ['public._prisma_migrations'], externalEnums: [] }
  const engine = await engineModule.SchemaEngine.new(
    { datamodels: files.map((file) => [file.path, file.content]) },
    () => {},
    adapter,
  )
  const configDir = path.dirname(schemaPath)
  const result = await engine.diff({
    from: empty ? { tag: 'empty' } : { tag: 'schemaDatasource', files, configDir },
    to: { tag: 'schemaDatamodel', files, configDir },
    script: true,
    exitCode: null,
    filters,
  })
  const script = result.stdout ?? ''
  return NOTHING.test(script) ? '' : script
}

if (process.argv[1] === import.meta.filename) {
  const sql = await schemaDiff(process.env.DATABASE_URL ?? '', { empty: process.argv.includes('--empty') })
  // The engine's connections would keep the process for a while.
  process.stdout.write(sql && `${sql.trim()}\n`, () => process.exit(0))
}
