import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { useStores } from '../testing'
import { watchHealth } from './health'

useStores()

test('a storm on /readyz costs one database connection at a time (REL10)', async () => {
  const connect = vi.spyOn(pg.Client.prototype, 'connect')
  const health = watchHealth()
  const answers = await Promise.all(Array.from({ length: 100 }, () => health.readiness()))
  expect(connect).toHaveBeenCalledTimes(1)
  // Made without the portal's start, this database has the tables but not the list of migrations.
  for (const { checks } of answers) expect(checks).toMatchObject({ redis: 'ok' })
  await health.readiness()
  expect(connect).toHaveBeenCalledTimes(2)
  connect.mockRestore()
  health.stop()
})
