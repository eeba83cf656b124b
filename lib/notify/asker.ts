/** Which device asked, from where and when: what a message says so that its reader can judge it. */
import { describeAgent } from '../base/agent'
import type { Caller } from '../base/caller'
import { now } from '../base/clock'
import type { Asker } from './templates/parts'

/** @param caller null when nobody asked: the portal did something by itself, as planned */
export function asker(caller: Caller | null): Asker {
  const { browser, os } = describeAgent(caller?.userAgent ?? '', caller?.hints)
  return { device: caller && { browser, os }, place: caller?.ip ?? null, at: now() }
}
