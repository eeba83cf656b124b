import { getTranslations } from 'next-intl/server'
import { Icon } from '../ui/icon'
import { eye, eyeOff } from '../ui/icons'

/** Words and icons for a PasswordInput, made on the server. */
export async function passwordParts() {
  const t = await getTranslations('ui')
  return {
    showLabel: t('show_password'),
    hideLabel: t('hide_password'),
    showIcon: <Icon of={eye} />,
    hideIcon: <Icon of={eyeOff} />,
  }
}

/** The same for a NewPassword, with what it says about strength, and the hint beneath it. */
export async function newPasswordParts(minLength: number) {
  const [t, parts] = await Promise.all([getTranslations('login'), passwordParts()])
  const words = {
    label: t('strength.label'),
    verdicts: [t('strength.0'), t('strength.1'), t('strength.2'), t('strength.3'), t('strength.4')],
    missing: Array.from({ length: minLength + 1 }, (_, count) =>
      count ? t('strength.too_short', { count }) : '',
    ),
  }
  return { parts: { ...parts, words, minLength }, hint: t('sign_up.password_hint', { min: minLength }) }
}
