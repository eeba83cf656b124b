/** docs/openapi.yaml as a judge of actual calls: what it does not describe, or describes otherwise, is a failure. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { load } from 'js-yaml'

// biome-ignore lint/suspicious/noExplicitAny: a document of JSON
type Json = any

const document = load(
  readFileSync(path.resolve(import.meta.dirname, '../../docs/openapi.yaml'), 'utf8'),
) as Json
const ajv = new Ajv2020({ strict: false, allErrors: true })
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
ajv.addFormat('uuid', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
ajv.addFormat('uri', { validate: (text: string) => URL.canParse(text) })
ajv.addFormat('email', /@/)
ajv.addSchema(document, 'openapi')

const pointer = (parts: string[]): string =>
  parts.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')

/** What a place in the document says, and where that is after its references. */
function at(parts: string[]): { value: Json; parts: string[] } {
  let value: Json = document
  let where: string[] = []
  for (const part of parts) {
    value = value?.[part]
    where.push(part)
    if (typeof value?.$ref === 'string' && !where.includes('schema')) {
      where = value.$ref.slice(2).split('/')
      value = where.reduce((inner: Json, name: string) => inner[name], document)
    }
  }
  return { value, parts: where }
}

const validators = new Map<string, ValidateFunction>()

function complaints(parts: string[], body: unknown): string[] {
  const ref = `openapi#/${pointer(parts)}`
  const validate = validators.get(ref) ?? ajv.compile({ $ref: ref })
  validators.set(ref, validate)
  return validate(body) ? [] : [ajv.errorsText(validate.errors)]
}

/** The path of the document that an address is one of. */
function template(pathname: string): string | undefined {
  const literal = (text: string) => text.split('{').length
  return Object.keys(document.paths)
    .filter((one) =>
      new RegExp(`^${one.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(pathname),
    )
    .sort((a, b) => literal(a) - literal(b))[0]
}

/** What is wrong with an answer by the document; nothing: []. */
export function answerComplaints(
  method: string,
  pathname: string,
  answer: { status: number; type: string | undefined; headers: Record<string, unknown>; body: unknown },
): string[] {
  const here = template(pathname)
  if (!here) return [`${pathname} is not described`]
  const found = at(['paths', here, method.toLowerCase(), 'responses', String(answer.status)])
  if (!found.value) return [`${method} ${here} is not said to answer ${answer.status}`]
  const missing = Object.keys(found.value.headers ?? {})
    .filter((name) => name !== 'Link' && answer.headers[name.toLowerCase()] === undefined)
    .map((name) => `${method} ${here} ${answer.status}: no ${name}`)
  const type = answer.type?.split(';')[0]
  if (!found.value.content) return type ? [...missing, `${method} ${here} ${answer.status}: a body`] : missing
  if (!type || !found.value.content[type]) return [...missing, `${method} ${here} ${answer.status}: ${type}`]
  return [...missing, ...complaints([...found.parts, 'content', type, 'schema'], answer.body)]
}

/** What is wrong with the body of a request by the document. */
export function requestComplaints(method: string, pathname: string, body: unknown): string[] {
  const here = template(pathname)
  if (!here) return [`${pathname} is not described`]
  return complaints(
    ['paths', here, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema'],
    body,
  )
}

/** The names that a request of the document may have. */
export const namesOf = (schema: string): string[] => {
  const { properties = {}, allOf = [] } = document.components.schemas[schema]
  return [
    ...Object.keys(properties),
    ...allOf.flatMap(({ $ref }: { $ref: string }) => namesOf($ref.split('/').at(-1) ?? '')),
  ]
}
