/** How commands speak: tables for people, JSON for machines, one sentence when something is wrong. */
import Table from 'cli-table3'
import { createTranslator } from 'use-intl/core'
import { cleanText } from '../base/caller'
import type { Refusal } from '../base/refusals'
import { messages } from '../texts'

/** A failure that is told as its message alone, with exit code 1. */
export class CliError extends Error {
  override name = 'CliError'
  constructor(
    message: string,
    /** How to mend it. */
    public hint?: string,
  ) {
    super(message)
  }
}

/** Why the house said no, in one sentence for an operator. */
export function refused(refusal: Refusal, subject = 'that'): CliError {
  const { code, values = {}, retryAfterSeconds } = refusal
  if (typeof values.message === 'string') return new CliError(values.message)
  if (code === 'not_found') return new CliError(`There is no such ${subject}.`)
  const words = createTranslator({ locale: 'en', messages: messages('en'), namespace: 'refusals' })
  const said = words(code as 'busy', { when: `in ${retryAfterSeconds ?? 1} seconds`, ...values })
  return new CliError(said)
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The same value with the names that OAuth and our database use, for JSON. */
export function snake(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(snake)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [snakeCase(name), snake(inner)]))
}

export const say = (text: string): void => void process.stdout.write(`${text}\n`)

export const json = (value: unknown): void => say(JSON.stringify(snake(value), null, 2))

/** What strangers typed may not drive the terminal. */
function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  if (value instanceof Date) return `${value.toISOString().slice(0, 16).replace('T', ' ')}Z`
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.map((item) => cleanText(String(item), 300)).join('\n') || '–'
  return cleanText(String(value), 300)
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

const plain = { chars: NO_LINES, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } }

/** Rows under a heading; says so when there are none. */
export function table(head: string[], rows: unknown[][], none: string): void {
  if (rows.length === 0) {
    say(none)
    return
  }
  const made = new Table({ ...plain, head: head.map((name) => name.toUpperCase()) })
  for (const row of rows) made.push(row.map(cell))
  say(made.toString().replace(/ +$/gm, ''))
}

/** One thing: its names and values below each other. */
export function facts(pairs: [string, unknown][]): void {
  const made = new Table(plain)
  for (const [name, value] of pairs) made.push([`  ${name}`, cell(value)])
  say(made.toString().replace(/ +$/gm, ''))
}
