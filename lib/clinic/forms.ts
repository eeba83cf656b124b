/** The forms of a page that a press of their button posts: apps that guard their sign-in against CSRF begin it so. */
import type { Page } from './agent'

export interface Form {
  action: URL
  fields: URLSearchParams
  /** What stands on it and its button. */
  text: string
}

/** Buttons that are not pressed, and boxes that are not ticked, send nothing. */
const isSent = (type = 'text'): boolean =>
  !['submit', 'button', 'image', 'reset', 'checkbox', 'radio', 'file'].includes(type.toLowerCase())

/** In the order of the page. */
export async function formsOf({ url, body }: Page): Promise<Form[]> {
  // Only here: the portal, which has this room too, never reads a page.
  const { Parser } = await import('htmlparser2')
  const found: Form[] = []
  let open: Form | null = null
  const parser = new Parser({
    onopentag(name, { action, method, type, name: field, value = '' }) {
      if (name === 'form') {
        const posts = method?.toLowerCase() === 'post' && URL.canParse(action ?? '', url)
        open = posts
          ? { action: new URL(action || url.href, url), fields: new URLSearchParams(), text: '' }
          : null
        if (open) found.push(open)
      } else if (open && name === 'input' && field && isSent(type)) open.fields.append(field, value)
      else if (open && name === 'input' && type === 'submit') open.text += ` ${value}`
    },
    ontext(text) {
      if (open) open.text += text
    },
    onclosetag(name) {
      if (name === 'form') open = null
    },
  })
  parser.end(body)
  return found
}
