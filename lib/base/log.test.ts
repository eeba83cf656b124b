import { execFile } from 'node:child_process'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { requestLine } from './log'

test('a line of the access log is one line of JSON, whatever the path holds', () => {
  const asked = '/a"b\\\u2028{"level":"fatal"}'
  const line = requestLine({ method: 'GET', path: asked, status: 404, ms: 3, requestId: 'r-1' })
  expect(line.endsWith('}\n')).toBe(true)
  expect(line.trimEnd()).not.toContain('\n')
  const { time, ...rest } = JSON.parse(line)
  expect(rest).toEqual({
    level: 'info',
    requestId: 'r-1',
    method: 'GET',
    path: asked,
    status: 404,
    ms: 3,
    msg: 'request',
  })
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})

test('every line of the access log leaves once and in order, also when the process exits', async () => {
  const module = pathToFileURL(path.join(import.meta.dirname, 'log.ts')).href
  const program = `import { logRequest } from ${JSON.stringify(module)}
    for (let ms = 0; ms < 150; ms++) logRequest({ method: 'GET', path: '/', status: 200, ms, requestId: 'r' })`
  const env = { ...process.env, NODE_ENV: 'production' as const, LOG_LEVEL: 'info' }
  const args = ['--import', 'tsx', '--input-type=module', '-e', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env })
  const found = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).ms)
  expect(found).toEqual(Array.from({ length: 150 }, (_, ms) => ms))
})
