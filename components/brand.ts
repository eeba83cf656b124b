/**
 * The operator's one brand colour made fit for use: fills that stand out from the page, a foreground
 * that can be read on them, and a shade for links, in light and in dark. WCAG 2.2: text 4.5 to 1,
 * edges of controls 3 to 1. Lightness moves in OKLab, so the hue stays what the operator chose.
 */
type Rgb = [number, number, number]

/** The darkest and the lightest ground that brand text may lie on: --sunken of app/globals.css. */
const GROUNDS = { light: '#f0f1f5', dark: '#262832' } as const
const WHITE = '#ffffff'
const BLACK = '#000000'

const channels = (hex: string): Rgb =>
  [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as Rgb
const linear = (value: number): number =>
  value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4
const encoded = (value: number): number => {
  const bounded = Math.min(1, Math.max(0, value))
  return Math.round(255 * (bounded <= 0.0031308 ? 12.92 * bounded : 1.055 * bounded ** (1 / 2.4) - 0.055))
}

/** WCAG relative luminance of a `#rrggbb` colour, 0 to 1. */
function luminance(hex: string): number {
  const [r, g, b] = channels(hex).map(linear) as Rgb
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** WCAG contrast ratio of two `#rrggbb` colours, 1 to 21. */
export function contrast(a: string, b: string): number {
  const [x, y] = [luminance(a), luminance(b)]
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05)
}

function toLab(hex: string): Rgb {
  const [r, g, b] = channels(hex).map(linear) as Rgb
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ]
}

function fromLab([L, a, b]: Rgb): string {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3
  const rgb = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ]
  return `#${rgb.map((value) => encoded(value).toString(16).padStart(2, '0')).join('')}`
}

const shifted = (hex: string, by: number): string => {
  const [L, a, b] = toLab(hex)
  return fromLab([Math.min(1, Math.max(0, L + by)), a, b])
}

/** Moves the lightness, up or down, until the contrast with the ground is reached. */
function until(hex: string, ground: string, ratio: number, step: 0.01 | -0.01): string {
  let shade = hex
  for (let moves = 1; moves <= 100 && contrast(shade, ground) < ratio; moves++)
    shade = shifted(hex, step * moves)
  return shade
}

export interface BrandShades {
  brand: string
  hover: string
  /** Text on `brand` and `hover`. */
  foreground: string
  /** Brand-coloured text and focus rings on the page. */
  ink: string
}

/** The shades of a `#rrggbb` brand colour for one theme. */
export function brandShades(color: string, theme: 'light' | 'dark'): BrandShades {
  const ground = GROUNDS[theme]
  const step = theme === 'light' ? -0.01 : 0.01
  const brand = until(color, ground, 3.1, step)
  const foreground = contrast(brand, WHITE) >= 4.5 ? WHITE : BLACK
  return {
    brand,
    foreground,
    hover: shifted(brand, foreground === WHITE ? -0.045 : 0.045),
    ink: until(color, ground, 5.2, step),
  }
}

const variables = ({ brand, hover, foreground, ink }: BrandShades): string =>
  `--brand:${brand};--brand-hover:${hover};--brand-fg:${foreground};--brand-ink:${ink}`

const made = new Map<string, string>()

/**
 * The style sheet that carries the brand colour, for the nonce'd `<style>` of the root layout.
 * @param color `#rrggbb`; anything else gives an empty sheet, so the defaults of globals.css stay
 */
export function brandSheet(color: string): string {
  if (!/^#[0-9a-f]{6}$/i.test(color)) return ''
  const known = made.get(color)
  if (known) return known
  const [light, dark] = [variables(brandShades(color, 'light')), variables(brandShades(color, 'dark'))]
  const sheet = `:root{${light}}@media(prefers-color-scheme:dark){:root:not([data-theme=light]){${dark}}}:root[data-theme=dark]{${dark}}`
  made.set(color, sheet)
  return sheet
}
