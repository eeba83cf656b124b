import { expect, test } from 'vitest'
import { inLine, Turns } from './turns'

test('turns_are_bounded_in_all_and_for_each_and_given_back_once', () => {
  const turns = new Turns(3, 2)
  const [first, second] = [turns.take('a'), turns.take('a')]
  expect([first, second].every(Boolean)).toBe(true)
  expect(turns.take('a')).toBeNull()
  const other = turns.take('b')
  expect(other).not.toBeNull()
  expect(turns.take('c')).toBeNull()
  first?.()
  first?.()
  expect(turns.take('c')).not.toBeNull()
  expect(turns.take('b')).toBeNull()
  second?.()
  other?.()
  expect(turns.take('a')).not.toBeNull()
})

test('a_line_lets_so_many_in_at_once_and_in_their_order_also_after_one_that_failed', async () => {
  const line = inLine(2)
  const order: number[] = []
  let [inside, most] = [0, 0]
  const work = (n: number) =>
    line(async () => {
      most = Math.max(most, ++inside)
      order.push(n)
      await Promise.resolve()
      inside--
      if (n === 1) throw new Error('no')
    })
  const done = await Promise.allSettled([0, 1, 2, 3, 4].map(work))
  expect(done.map(({ status }) => status === 'rejected')).toEqual([false, true, false, false, false])
  expect([most, order]).toEqual([2, [0, 1, 2, 3, 4]])
})
