/**
 * Writes components/ui/icons.ts: the drawings of the icons we use, taken from lucide-react.
 * lucide-react's own components are client components, so each icon on a page would be sent as
 * script and hydrated; as plain strings they cost the browser nothing.
 *
 *   node scripts/icons.mjs          after adding a name below
 */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'

const names = [
  'app-window',
  'arrow-left',
  'arrow-right',
  'at-sign',
  'badge-check',
  'bot',
  'check',
  'chevron-down',
  'chevron-right',
  'circle-exclamation-point',
  'circle-check',
  'circle-question-mark',
  'circle-user-round',
  'clock',
  'copy',
  'download',
  'eye',
  'eye-off',
  'fingerprint-pattern',
  'hourglass',
  'id-card',
  'image-up',
  'info',
  'key-round',
  'laptop',
  'layout-dashboard',
  'link',
  'list-checks',
  'lock-keyhole',
  'log-in',
  'log-out',
  'mail',
  'mail-check',
  'map-pin',
  'monitor',
  'monitor-smartphone',
  'moon',
  'phone',
  'plug',
  'plus',
  'printer',
  'refresh-cw',
  'rotate-ccw-clock',
  'shield-check',
  'smartphone',
  'sun',
  'sun-moon',
  'tablet',
  'trash',
  'triangle-exclamation-point',
  'tv',
  'usb',
  'user-round',
  'users-round',
  'wrench',
  'x',
]

const constantName = (name) => name.replace(/-([a-z0-9])/g, (_, letter) => letter.toUpperCase())
const attribute = ([key, value]) => (key === 'key' ? '' : ` ${key}="${value}"`)
const element = ([tag, attributes]) => `<${tag}${Object.entries(attributes).map(attribute).join('')}/>`

const lines = []
for (const name of names) {
  const { __iconData: icon } = await import(`lucide-react/dist/esm/icons/${name}.mjs`)
  lines.push(`export const ${constantName(name)} = '${icon.node.map(element).join('')}' as IconShape`)
}

await writeFile(
  path.resolve(import.meta.dirname, '../components/ui/icons.ts'),
  `// Written by scripts/icons.mjs. Drawings of Lucide (https://lucide.dev), ISC License,
// Copyright (c) Lucide Contributors; parts Copyright (c) 2013-present Cole Bemis (Feather, MIT).

/** The inside of a 24 × 24 \`<svg>\`: constant markup, never made from input. */
export type IconShape = string & { readonly shape: unique symbol }

${lines.join('\n')}
`,
)
