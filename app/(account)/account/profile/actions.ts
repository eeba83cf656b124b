'use server'

import { revalidatePath } from 'next/cache'
import { cookies, headers } from 'next/headers'
import { getTranslations } from 'next-intl/server'
import { z } from 'zod'
import { requests, users } from '@/lib'
import { language } from '@/lib/texts'
import { action, type FormState } from '../../../_lib/guard'
import { isTheme, THEME_COOKIE } from '../../../_lib/page'

const PAGE = '/account/profile'
const line = z.string().max(400)

/** A choice that this browser keeps for a year. */
const LASTING = () =>
  ({
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure: requests.settings().https,
    maxAge: 31_536_000,
  }) as const

const profileSchema = z.object({
  firstName: line,
  lastName: line,
  displayName: line,
  locale: line,
  timezone: line,
})

/** Saves names, language and timezone of the signed-in person. */
export async function saveProfile(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: profileSchema }, async (input, { caller, session }) => {
    const saved = await users.profile.update(session.userId, input, caller)
    if (!saved.ok) return saved.refusal
    // This browser speaks it too from now on, signed out as well.
    const locale = language(input.locale)
    ;(await cookies()).set(requests.LOCALE_COOKIE, locale, LASTING())
    revalidatePath('/account', 'layout')
    // In the language just chosen, not the one the form was filled in.
    return { ok: true, message: (await getTranslations({ locale, namespace: 'account.profile' }))('saved') }
  })
}

/** Puts the chosen file in the place of the picture; what it really is, the users room judges. */
export async function savePicture(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(
    form,
    { page: PAGE, schema: z.object({ avatar: z.instanceof(File) }) },
    async (input, { caller, session }) => {
      const bytes = new Uint8Array(await input.avatar.arrayBuffer())
      const saved = await users.profile.setAvatar(session.userId, bytes, caller)
      if (!saved.ok) return saved.refusal
      revalidatePath('/account', 'layout')
      return { ok: true, message: (await getTranslations('account.profile'))('picture_saved') }
    },
  )
}

/** Removes the picture. */
export async function removePicture(_previous: FormState | null, form: FormData): Promise<FormState> {
  return action(form, { page: PAGE, schema: z.object({}) }, async (_input, { caller, session }) => {
    const removed = await users.profile.removeAvatar(session.userId, caller)
    if (!removed.ok) return removed.refusal
    revalidatePath('/account', 'layout')
    return { ok: true, message: (await getTranslations('account.profile'))('picture_removed') }
  })
}

/** Keeps light, dark or system in this browser. No session needed: it changes nothing but a cookie. */
export async function chooseTheme(form: FormData): Promise<void> {
  requests.reachAction()
  if (!requests.sameOrigin(await headers()) || !(form instanceof FormData)) return
  const theme = form.get('theme')
  if (!isTheme(theme)) return
  const store = await cookies()
  store.set(THEME_COOKIE, theme, LASTING())
}
