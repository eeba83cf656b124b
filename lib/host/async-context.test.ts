import { AsyncLocalStorage as Native } from 'node:async_hooks'
import { EventEmitter, once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { keepsAll, sharingOne } from '../../scripts/async-context.mjs'

const Shared = sharingOne(Native) as typeof Native

/** What both must do alike: each behaviour is asked of Node's own class too. */
const both = (name: string, behaviour: (Storage: typeof Native) => void | Promise<void>) => {
  test.each([
    ['shared', Shared],
    ["Node's", Native],
  ])(`${name} (%s)`, (_, Storage) => behaviour(Storage))
}

both('a_value_is_seen_after_every_kind_of_wait', async (Storage) => {
  const storage = new Storage<string>()
  const seen: (string | undefined)[] = []
  const look = () => seen.push(storage.getStore())
  await storage.run('a', async () => {
    look()
    await null
    look()
    await turn()
    look()
    await new Promise<void>((resolve) => setTimeout(() => resolve(void look()), 1))
    await new Promise<void>((resolve) => process.nextTick(() => resolve(void look())))
    queueMicrotask(look)
    await import('node:os').then(look)
  })
  expect(seen).toEqual(Array(7).fill('a'))
  expect(storage.getStore()).toBeUndefined()
})

both('requests_at_once_see_their_own_values_in_every_storage', async (Storage) => {
  const [first, second] = [new Storage<number>(), new Storage<number>()]
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      first.run(i, async () => {
        await turn()
        return second.run(-i, async () => {
          await turn()
          return [first.getStore(), second.getStore()]
        })
      }),
    ),
  )
  expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => [i, -i]))
})

both('an_inner_value_ends_with_its_call_and_an_error_restores_the_outer_one', (Storage) => {
  const storage = new Storage<string>()
  storage.run('outer', () => {
    storage.run('inner', () => expect(storage.getStore()).toBe('inner'))
    expect(storage.getStore()).toBe('outer')
    expect(() =>
      storage.run('inner', () => {
        throw new Error('no')
      }),
    ).toThrow('no')
    expect(storage.getStore()).toBe('outer')
    storage.exit(() => expect(storage.getStore()).toBeUndefined())
    expect(storage.getStore()).toBe('outer')
  })
  expect(storage.run('x', (a: number, b: number) => a + b, 1, 2)).toBe(3)
})

both('entering_lasts_for_what_follows_and_leaves_other_storages_alone', async (Storage) => {
  const [one, other] = [new Storage<string>(), new Storage<string>()]
  const seen = await other.run('other', async () => {
    one.enterWith('one')
    await turn()
    return [one.getStore(), other.getStore()]
  })
  expect(seen).toEqual(['one', 'other'])
})

both('a_snapshot_and_a_bound_function_keep_all_values_of_where_they_were_made', async (Storage) => {
  const [one, other] = [new Storage<string>(), new Storage<string>()]
  const look = () => [one.getStore(), other.getStore()]
  const { inside, bound } = one.run('one', () =>
    other.run('other', () => ({ inside: Storage.snapshot(), bound: Storage.bind(look) })),
  )
  await one.run('elsewhere', async () => {
    expect(inside(look)).toEqual(['one', 'other'])
    expect(bound()).toEqual(['one', 'other'])
    expect(look()).toEqual(['elsewhere', undefined])
  })
})

both('what_is_disabled_forgets_until_it_is_entered_again', (Storage) => {
  const [one, other] = [new Storage<string>(), new Storage<string>()]
  other.run('other', () =>
    one.run('one', () => {
      one.disable()
      expect([one.getStore(), other.getStore()]).toEqual([undefined, 'other'])
      one.run('again', () => expect(one.getStore()).toBe('again'))
    }),
  )
})

both('listeners_see_the_context_of_whoever_emits', async (Storage) => {
  const storage = new Storage<string>()
  const emitter = new EventEmitter()
  const heard = storage.run('listener', () => once(emitter, 'said'))
  const seen: (string | undefined)[] = []
  emitter.on('said', () => seen.push(storage.getStore()))
  storage.run('emitter', () => emitter.emit('said'))
  await heard
  expect(seen).toEqual(['emitter'])
})

test('what_newer_node_has_besides_is_kept_or_its_own_class_is', () => {
  const options = { defaultValue: 'none', name: 'requests' }
  const storage = Reflect.construct(Shared, [options]) as Native<string | undefined> & { name: string }
  expect([storage.name, storage.getStore()]).toEqual(['requests', 'none'])
  // A value that was entered is the value, whichever it is.
  expect(storage.run(undefined, () => storage.getStore())).toBeUndefined()
  storage.disable()
  expect(storage.getStore()).toBe('none')
  expect(new Shared()).toMatchObject({ name: '' })
  expect(keepsAll(Native)).toBe(true)
  class Newer extends Native<string> {}
  Object.defineProperty(Newer.prototype, 'withScope', { value: () => {} })
  expect(keepsAll(Newer)).toBe(false)
})

test('what_is_entered_within_a_run_ends_with_it_as_in_newer_node', () => {
  const [one, other] = [new Shared<string>(), new Shared<string>()]
  one.run('one', () => {
    other.enterWith('other')
    expect(other.getStore()).toBe('other')
    one.exit(() => one.enterWith('left'))
    expect(one.getStore()).toBe('one')
  })
  expect(other.getStore()).toBeUndefined()
})
