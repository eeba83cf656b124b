import { expect, test } from 'vitest'
import { requestLine } from './log'

test('a line of the access log is one line of JSON, whatever the path holds', () => {
  const path = '/a"b\\\u2028{"level":"fatal"}'
  const line = requestLine({ method: 'GET', path, status: 404, ms: 3, requestId: 'r-1' })
  expect(line.endsWith('}\n')).toBe(true)
  expect(line.trimEnd()).not.toContain('\n')
  const { time, ...rest } = JSON.parse(line)
  expect(rest).toEqual({
    level: 'info',
    requestId: 'r-1',
    method: 'GET',
    path,
    status: 404,
    ms: 3,
    msg: 'request',
  })
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})
