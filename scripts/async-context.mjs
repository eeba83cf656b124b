/**
 * One asynchronous context for the whole process. Before Node 24 every AsyncLocalStorage that was ever entered writes
 * itself onto every promise, timer and callback made afterwards, and Next, React, the OpenID library and the portal
 * have a dozen of them. Here all of them share one, whose value is a frame of all their values: what Node 24 does by
 * itself (AsyncContextFrame). See docs/decisions/113-one-asynchronous-context.md.
 */
import async_hooks from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'

/**
 * What is entered or left within a run ends with it, as in Node 24: there a run restores the whole frame, where older
 * classes restore their own value alone.
 * @param Native Node's own class
 * @returns a class that keeps its contract otherwise, whose instances share one instance of Node's
 */
export function sharingOne(Native) {
  const shared = new Native()
  const frameWith = (key, value) => new Map(shared.getStore()).set(key, value)

  return class AsyncLocalStorage {
    // Disabled, an instance forgets what was entered anywhere: no frame knows its new key.
    #key = {}
    #defaultValue
    #name

    constructor({ defaultValue, name = '' } = {}) {
      this.#defaultValue = defaultValue
      this.#name = `${name}`
    }

    get name() {
      return this.#name
    }

    // The frame is what a captured context carries, so Node's own serve for all.
    static bind = Native.bind
    static snapshot = Native.snapshot

    getStore() {
      const frame = shared.getStore()
      const value = frame?.get(this.#key)
      return value !== undefined || frame?.has(this.#key) ? value : this.#defaultValue
    }

    run(value, fn, ...args) {
      return shared.run(frameWith(this.#key, value), fn, ...args)
    }

    exit(fn, ...args) {
      return this.run(undefined, fn, ...args)
    }

    enterWith(value) {
      shared.enterWith(frameWith(this.#key, value))
    }

    disable() {
      this.#key = {}
    }
  }
}

/** Whether this Node's storages each follow every promise by themselves. */
const eachFollows = (Native) => typeof Native.prototype._propagate === 'function'

/** Whether they can do nothing that ours cannot: what a newer Node adds, somebody may call. */
export function keepsAll(Native) {
  const { prototype } = sharingOne(Native)
  return Object.getOwnPropertyNames(Native.prototype).every(
    (name) => name.startsWith('_') || name in prototype,
  )
}

/** Replaces Node's class for everything loaded from now on; does nothing where Node has one context itself. */
export function shareOneContext() {
  const { AsyncLocalStorage: Native } = async_hooks
  if (!eachFollows(Native) || !keepsAll(Native)) return
  async_hooks.AsyncLocalStorage = sharingOne(Native)
  syncBuiltinESMExports()
}
