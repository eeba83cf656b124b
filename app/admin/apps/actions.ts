'use server'

import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { z } from 'zod'
import { oidc, users } from '@/lib'
import type { Caller } from '@/lib/base/caller'
import type { NewClient } from '@/lib/oidc'
import {
  changesOf,
  FIELDS,
  type FieldName,
  GRANT_NAMES,
  type Kind,
  lines,
} from '../../../components/admin/client-fields'
import { adminAppHref, KINDS } from '../../../components/admin/kinds'
import type { PreviewState } from '../../../components/admin/preview-form'
import type { SecretState } from '../../../components/admin/secret-form'
import { adminAction } from '../../_lib/admin'
import type { FormState, SignedIn } from '../../_lib/guard'
import { keepOutcome } from './outcome'

const LIST = '/admin/apps'

/** Who did it, for the history. */
const by = ({ session, caller }: SignedIn): { actor: string; caller: Caller } => ({
  actor: `admin:${session.userId}`,
  caller,
})

const app = z.string().min(1).max(200)
const text = z.string().max(4000)
/** A list (fifty addresses of 2,000 characters), or what stands in a file. */
const long = z.string().max(110_000)
const ticked = z.literal('on').optional()

/** Registers an app; its secret is the answer, this once. */
export async function registerApp(_previous: FormState | null, form: FormData): Promise<SecretState> {
  const schema = z.object({
    name: text,
    kind: z.enum(Object.keys(KINDS) as (keyof typeof KINDS)[]),
    redirectUris: long,
    firstParty: ticked,
    pairwise: ticked,
    clientId: text,
  })
  let made: SecretState['made']
  const answer = await adminAction(
    form,
    { page: '/admin/register', schema, draft: 'register' },
    async (input, who) => {
      const begin: Partial<NewClient> = KINDS[input.kind]
      const chosen = input.clientId.trim()
      const added = await oidc.clients.add(
        {
          ...begin,
          name: input.name,
          redirectUris: lines(input.redirectUris),
          firstParty: input.firstParty === 'on',
          pairwise: input.pairwise === 'on',
          ...(chosen && { clientId: chosen }),
        },
        by(who),
      )
      if (!added.ok) return added.refusal
      const { clientId, clientSecret } = added.value
      if (!clientSecret) redirect(adminAppHref(clientId))
      made = { clientId, secret: clientSecret, href: adminAppHref(clientId) }
      return { ok: true }
    },
  )
  return { ...answer, ...(made && { made }) }
}

/** Every field of an app, as `changesOf` reads it; a form may have fewer. */
const editSchema = z.object({
  app,
  /** As the form was drawn: what somebody else changed since is not overwritten. */
  version: text.optional(),
  ...Object.fromEntries(FIELDS.flatMap(([name, kind]) => typed(name, kind))),
})

function typed(name: FieldName, kind: Kind): [string, z.ZodType<string | undefined>][] {
  if (kind === 'grants') return GRANT_NAMES.map((field) => [field, ticked])
  if (kind === 'yes') return [[name, ticked]]
  if (kind === 'minutes')
    return [
      [
        name,
        z
          .string()
          .regex(/^\d{0,7}$/)
          .optional(),
      ],
    ]
  const most = kind === 'lines' || kind === 'reach' || kind === 'json' ? long : text
  return [[name, most.optional()]]
}

/** Changes what an app is registered with. */
export async function saveApp(_previous: FormState | null, form: FormData): Promise<FormState> {
  const page = `${adminAppHref(idIn(form))}/edit`
  return adminAction(form, { page, schema: editSchema, draft: 'edit' }, async (input, who) => {
    const had = await oidc.clients.get(input.app)
    if (!had) return { code: 'not_found', status: 404 }
    const can = (name: string) => oidc.clients.canChange(had, name)
    const said = changesOf(input as Record<string, string | undefined>, had, can)
    if ('unreadable' in said) {
      const values = { message: 'must be JSON' }
      return { code: 'invalid_input', status: 400, field: said.unreadable, values }
    }
    const versions = typeof input.version === 'string' ? { versions: [input.version] } : {}
    const saved = await oidc.clients.update(input.app, said.changes, { ...by(who), ...versions })
    if (!saved.ok) return saved.refusal
    await keepOutcome({ kind: 'saved', name: '' })
    redirect(adminAppHref(input.app))
  })
}

/** Gives an app claims of the operator's own, in the place of those it had. */
export async function saveClaims(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ app, claims: long })
  const page = `${adminAppHref(idIn(form))}/claims`
  return adminAction(form, { page, schema, draft: 'mapping' }, async (input, who) => {
    const mapping = jsonIn(input.claims.trim() || '[]')
    if (mapping === undefined) {
      const values = { message: 'must be JSON' }
      return { code: 'invalid_input', status: 400, field: 'claims', values }
    }
    const saved = await oidc.clients.setClaims(input.app, mapping, by(who))
    if (!saved.ok) return saved.refusal
    await keepOutcome({ kind: 'claims', name: '' })
    redirect(page)
  })
}

function jsonIn(said: string): unknown {
  try {
    return JSON.parse(said)
  } catch {
    return undefined
  }
}

/** Shows what an app would get of a person, whose history says so; issues nothing. */
export async function previewClaims(_previous: FormState | null, form: FormData): Promise<PreviewState> {
  const schema = z.object({ app, person: z.string().trim().min(1).max(254) })
  const page = `${adminAppHref(idIn(form))}/claims`
  let preview: PreviewState['preview']
  const answer = await adminAction(
    form,
    { page, schema, draft: 'preview' },
    async ({ app: id, person }, who) => {
      const found = (await users.get(person.toLowerCase())) ?? (await users.find({ email: person }))
      const shown = found && (await oidc.clients.previewClaims(id, found.id, by(who)))
      if (!shown) {
        const t = await getTranslations('admin.claims')
        return { ok: false, errors: { person: t('nobody') }, values: { app: id, person } }
      }
      const rows = shown.scopes.flatMap(({ scope, idToken, userinfo }) =>
        [...new Set([...Object.keys(idToken), ...Object.keys(userinfo)])].map((claim) => ({
          scope,
          claim,
          idToken: claim in idToken,
          userinfo: claim in userinfo,
          value: JSON.stringify(idToken[claim] ?? userinfo[claim]),
        })),
      )
      preview = { who: found.email ?? found.id, rows }
      return { ok: true }
    },
  )
  return { ...answer, ...(preview && { preview }) }
}

/** Makes another secret, shown this once; those there are end after a while. */
export async function rotateSecret(_previous: FormState | null, form: FormData): Promise<SecretState> {
  const schema = z.object({ app, hours: z.enum(['0', '1', '24', '168']) })
  let made: SecretState['made']
  const page = adminAppHref(idIn(form))
  const answer = await adminAction(form, { page, schema, draft: 'rotate' }, async (input, who) => {
    const overlapSeconds = Number(input.hours) * 3600
    const rotated = await oidc.clients.rotateSecret(input.app, { ...by(who), overlapSeconds })
    if (!rotated.ok) return rotated.refusal
    const { clientSecret } = rotated.value
    made = { clientId: input.app, secret: clientSecret, href: adminAppHref(input.app) }
    return { ok: true }
  })
  return { ...answer, ...(made && { made }) }
}

/** Switches an app off or on. */
export async function switchApp(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ app, to: z.enum(['on', 'off']) })
  const page = adminAppHref(idIn(form))
  return adminAction(form, { page, schema }, async (input, who) => {
    const { enable, disable } = oidc.clients
    const done = await (input.to === 'on' ? enable : disable)(input.app, by(who))
    if (!done.ok) return done.refusal
    await keepOutcome({ kind: input.to === 'on' ? 'enabled' : 'disabled', name: '' })
    redirect(adminAppHref(input.app))
  })
}

/** Removes an app, whose name must have been typed. */
export async function removeApp(_previous: FormState | null, form: FormData): Promise<FormState> {
  const schema = z.object({ app, name: text })
  const page = adminAppHref(idIn(form))
  return adminAction(form, { page, schema, draft: 'remove' }, async (input, who) => {
    const found = await oidc.clients.get(input.app)
    if (!found) return { code: 'not_found', status: 404 }
    if (input.name.trim() !== found.name) {
      const t = await getTranslations('admin.app')
      return { ok: false, errors: { name: t('remove_wrong') } }
    }
    const removed = await oidc.clients.remove(input.app, by(who))
    if (!removed.ok) return removed.refusal
    await keepOutcome({ kind: 'removed', name: found.name })
    redirect(LIST)
  })
}

/** The app a form is about, for the way back to its page after a proof. */
function idIn(form: FormData): string {
  const id = form instanceof FormData ? form.get('app') : null
  return typeof id === 'string' ? id.slice(0, 200) : ''
}
