import type { Language, Messages } from './index'

/** Makes every key given to `getTranslations` and friends a checked one. */
declare module 'use-intl' {
  interface AppConfig {
    Locale: Language
    Messages: Messages
  }
}
