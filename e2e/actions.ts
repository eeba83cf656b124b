/** Calls server actions by hand, as Next's own script and as a form without script would. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Answer, Visitor } from './visitor'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = <T>(file: string): T => JSON.parse(readFileSync(path.join(ROOT, '.next', file), 'utf8'))

/** Every server action of the build: `file#name` and its id. */
export function serverActions(): Map<string, string> {
  type Entry = { filename: string; exportedName: string }
  const { node, edge } = read<{ node: Record<string, Entry>; edge: Record<string, Entry> }>(
    'server/server-reference-manifest.json',
  )
  return new Map(
    Object.entries({ ...node, ...edge }).map(([id, { filename, exportedName }]) => [
      `${filename.replace(/^.*\/app\/|^app\//, '')}#${exportedName}`,
      id,
    ]),
  )
}

/** Every path of the build, and whether it is a page or a route handler. */
export function builtRoutes(): { pages: string[]; handlers: string[] } {
  const routes = Object.entries(read<Record<string, string>>('app-path-routes-manifest.json'))
  const ending = (end: string) => routes.filter(([file]) => file.endsWith(end)).map(([, route]) => route)
  return { pages: ending('/page').filter((route) => !route.startsWith('/_')), handlers: ending('/route') }
}

export const buildId = (): string => readFileSync(path.join(ROOT, '.next/BUILD_ID'), 'utf8')

type Part = [name: string, value: string | { filename: string; bytes: Buffer }]

const BOUNDARY = '----gatehouse-e2e'

export function multipart(parts: Part[]): Buffer {
  const chunks: Buffer[] = []
  for (const [name, value] of parts) {
    const file = typeof value === 'string' ? '' : `; filename="${value.filename}"`
    chunks.push(
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`),
      typeof value === 'string' ? Buffer.from(value) : value.bytes,
      Buffer.from('\r\n'),
    )
  }
  return Buffer.concat([...chunks, Buffer.from(`--${BOUNDARY}--\r\n`)])
}

export const MULTIPART = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }

export type Fields = Part[]

export interface Call {
  id: string
  /** The page it lives on. */
  page: string
  fields: Fields
  /** Takes what it said last time as its first argument (useActionState). */
  stateful: boolean
}

type Headers = Record<string, string | undefined>

/** As Next's script calls it. */
export function callByScript(who: Visitor, call: Call, headers: Headers = {}): Promise<Answer> {
  const args = call.stateful ? '[null,"$K1"]' : '["$K1"]'
  const body = multipart([...call.fields.map(([name, value]): Part => [`_1_${name}`, value]), ['0', args]])
  return who.send(
    'POST',
    call.page,
    { origin: who.place.url, ...MULTIPART, 'next-action': call.id, accept: 'text/x-component', ...headers },
    body,
  )
}

/** As its form posts it while script is off. */
export function callByForm(who: Visitor, call: Call, headers: Headers = {}): Promise<Answer> {
  const hidden: Part[] = call.stateful
    ? [
        ['$ACTION_REF_1', ''],
        ['$ACTION_1:0', JSON.stringify({ id: call.id, bound: '$@1' })],
        ['$ACTION_1:1', '[null]'],
      ]
    : [[`$ACTION_ID_${call.id}`, '']]
  return who.send(
    'POST',
    call.page,
    { origin: who.place.url, ...MULTIPART, ...headers },
    multipart([...hidden, ...call.fields]),
  )
}

/** The body as it is, whatever it is. */
export const callRaw = (
  who: Visitor,
  call: Pick<Call, 'id' | 'page'>,
  body: string | Buffer,
  headers: Headers = {},
): Promise<Answer> =>
  who.send(
    'POST',
    call.page,
    { origin: who.place.url, 'content-type': 'text/plain;charset=UTF-8', 'next-action': call.id, ...headers },
    body,
  )
