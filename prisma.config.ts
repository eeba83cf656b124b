import { defineConfig } from 'prisma/config'

// generate, validate and format run on WASM alone, but the CLI first checks that a schema engine
// exists; naming any existing file spares a download that closed networks refuse.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://localhost/gatehouse' },
})
