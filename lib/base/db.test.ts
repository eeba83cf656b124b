import { afterAll, expect, test } from 'vitest'
import { closeDb, inTx, sql } from './db'
import { reloadEnv } from './env'

const { DATABASE_URL } = process.env
afterAll(async () => {
  await closeDb()
  if (DATABASE_URL === undefined) delete process.env.DATABASE_URL
  else process.env.DATABASE_URL = DATABASE_URL
  reloadEnv()
})

test.each([
  ['is not there', '/nowhere'],
  ['is in a file', '/dev/null'],
  ['is beyond the longest path', `/${'deep'.repeat(40)}`],
])('a_database_whose_socket_%s_is_down_and_no_failure_of_ours', async (_, folder) => {
  await closeDb()
  process.env.DATABASE_URL = `postgresql://gatehouse:secret@${encodeURIComponent(folder)}:5432/gatehouse`
  reloadEnv()
  const down = { name: 'StoresDown', store: 'postgres' }
  await expect(sql({ name: 'one', text: 'SELECT 1' })).rejects.toMatchObject(down)
  await expect(inTx((tx) => tx.$queryRaw`SELECT 1`)).rejects.toMatchObject(down)
})
