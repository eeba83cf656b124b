import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { AnswerError, FormCheckbox, FormInput, FormSelect, FormTextarea } from '../account/form-field'
import { Card } from '../ui/card'
import {
  CHOICES,
  type FieldName,
  fieldsOf,
  GRANT_FIELDS,
  GRANT_NAMES,
  type Kind,
  SECTION_NAMES,
} from './client-fields'
import { FieldErrors } from './field-errors'

interface Props {
  /** Which fields can be changed; the others are not there. */
  can: (name: FieldName) => boolean
  /** What the fields hold, as `valuesOf` says it. */
  values: Readonly<Record<string, string>>
  /** What only this portal knows of a field: its APIs, its providers. */
  hints?: { [Name in FieldName]?: ReactNode }
}

/** Every field of an app, in sections; stands in an ActionForm. */
export async function ClientForm({ can, values, hints = {} }: Props) {
  const [t, labels, form] = await Promise.all([
    getTranslations('admin.sections'),
    getTranslations('admin.labels'),
    getTranslations('admin.form'),
  ])
  const sections = SECTION_NAMES.map((section) => ({
    section,
    fields: fieldsOf(section).filter(([name]) => can(name)),
  })).filter(({ fields }) => fields.length > 0)
  const named = sections.flatMap(({ fields }) => fields.map(([name]) => [name, labels(name)]))
  return (
    <>
      {sections.length > 1 ? (
        <nav aria-label={t('label')}>
          <ul className="flex flex-wrap gap-x-5 gap-y-1.5 text-[0.9375rem]">
            {sections.map(({ section }) => (
              <li key={section}>
                <a href={`#${section}`} className="link">
                  {t(section)}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      ) : null}
      <FieldErrors title={form('to_check')} labels={Object.fromEntries(named)} />
      {sections.map(({ section, fields }) => (
        <Card key={section} id={section} title={t(section)} lead={t(`${section}_lead`)}>
          <div className="grid gap-5">
            {fields.map(([name, kind]) => (
              <div key={name} id={`part-${name}`}>
                <ClientField name={name} kind={kind} values={values} more={hints[name]} />
              </div>
            ))}
          </div>
        </Card>
      ))}
    </>
  )
}

interface FieldProps {
  name: FieldName
  kind: Kind
  values: Props['values']
  more?: ReactNode
}

/** One field as its kind is typed. */
export async function ClientField({ name, kind, values, more }: FieldProps) {
  const [labels, hints, ui] = await Promise.all([
    getTranslations('admin.labels'),
    getTranslations('admin.hints'),
    getTranslations('ui'),
  ])
  const said = hints.has(name as never) ? hints(name as never) : null
  const hint =
    said && more ? (
      <>
        {said} {more}
      </>
    ) : (
      (said ?? more)
    )
  const label = labels(name)
  if (kind === 'yes')
    return <FormCheckbox name={name} label={label} hint={hint} defaultChecked={name in values} />
  if (kind === 'grants') return <Grants label={label} hint={hint} values={values} />
  const common = { id: name, name, label, hint, defaultValue: values[name] ?? '' }
  if (kind === 'choice' || kind === 'perhaps')
    return <Choice {...common} of={name as keyof typeof CHOICES} perhaps={kind === 'perhaps'} />
  const written = { spellCheck: false, autoComplete: 'off', autoCapitalize: 'none' }
  switch (kind) {
    case 'text':
      return <FormInput {...common} maxLength={80} required />
    case 'line':
      return (
        <FormInput {...common} note={ui('optional')} maxLength={160} lang={name.slice(-2).toLowerCase()} />
      )
    case 'color':
      return (
        <FormInput
          {...common}
          {...written}
          note={ui('optional')}
          pattern="#[0-9a-fA-F]{6}"
          maxLength={7}
          placeholder="#3b5bdb"
          className="max-w-40"
        />
      )
    case 'url':
      return <FormInput {...common} {...written} type="url" note={ui('optional')} />
    case 'names':
    case 'code':
      return <FormInput {...common} {...written} note={ui('optional')} />
    case 'minutes':
      return (
        <FormInput
          {...common}
          note={ui('optional')}
          inputMode="numeric"
          pattern="[0-9]*"
          maxLength={7}
          className="max-w-40"
        />
      )
    default:
      return (
        <FormTextarea
          {...common}
          {...written}
          {...(name !== 'redirectUris' && { note: ui('optional') })}
          rows={kind === 'json' ? 4 : name === 'redirectUris' ? 3 : 2}
          className={kind === 'json' ? 'font-mono text-sm' : undefined}
        />
      )
  }
}

async function Choice({
  of,
  perhaps,
  ...props
}: {
  id: string
  name: string
  label: string
  hint: ReactNode
  defaultValue: string
  of: keyof typeof CHOICES
  perhaps: boolean
}) {
  const t = await getTranslations('admin.choices')
  return (
    <FormSelect {...props}>
      {perhaps ? <option value="">{t('none_of_these')}</option> : null}
      {CHOICES[of].map((value) => (
        <option key={value} value={value}>
          {t(value)}
        </option>
      ))}
    </FormSelect>
  )
}

async function Grants({ label, hint, values }: { label: string; hint: ReactNode; values: Props['values'] }) {
  const t = await getTranslations('admin.grants')
  return (
    <fieldset className="grid gap-2.5">
      <legend className="mb-2 text-[0.9375rem] font-medium">{label}</legend>
      {GRANT_NAMES.map((field) => (
        <FormCheckbox
          key={field}
          name={field}
          label={t(GRANT_FIELDS[field])}
          defaultChecked={field in values}
        />
      ))}
      {hint ? <p className="text-sm text-ink-3">{hint}</p> : null}
      <AnswerError name="grants" />
    </fieldset>
  )
}
