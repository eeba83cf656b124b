import { Icon } from './icon'
import { moon, sun, sunMoon } from './icons'

const SHAPES = { system: sunMoon, light: sun, dark: moon } as const

type Theme = keyof typeof SHAPES

interface Props {
  current: Theme
  /** Keeps the choice; gets `theme`. */
  action: (form: FormData) => Promise<void>
  label: string
  words: Record<Theme, string>
}

/** Light, dark, or as the system says. Three buttons of one form: needs no script. */
export function ThemeToggle({ current, action, label, words }: Props) {
  return (
    <form action={action}>
      <fieldset className="inline-flex flex-wrap gap-1 rounded-control border border-line bg-sunken p-1">
        <legend className="sr-only">{label}</legend>
        {(['system', 'light', 'dark'] as const).map((theme) => (
          <button
            key={theme}
            type="submit"
            name="theme"
            value={theme}
            aria-pressed={theme === current}
            className="inline-flex min-h-9 items-center gap-2 rounded-md px-3 py-1.5 text-sm font-medium text-ink-2 hover:text-ink aria-pressed:bg-surface aria-pressed:text-ink aria-pressed:shadow-1"
          >
            <Icon of={SHAPES[theme]} className="size-4" />
            {words[theme]}
          </button>
        ))}
      </fieldset>
    </form>
  )
}
