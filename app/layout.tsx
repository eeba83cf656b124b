import type { Metadata, Viewport } from 'next'
import { getLocale } from 'next-intl/server'
import type { ReactNode } from 'react'
import { requests } from '@/lib'
import { brandSheet } from '../components/brand'
import { chosenTheme, cspNonce } from './_lib/page'
import './globals.css'

export async function generateMetadata(): Promise<Metadata> {
  const { productName } = requests.settings()
  return {
    title: { default: productName, template: `%s · ${productName}` },
    robots: { index: false, follow: false },
    referrer: 'same-origin',
    formatDetection: { telephone: false, email: false, address: false },
  }
}

export const viewport: Viewport = {
  width: 'device-width',
  initialScale: 1,
  colorScheme: 'light dark',
  themeColor: [
    { media: '(prefers-color-scheme: light)', color: '#f8f9fb' },
    { media: '(prefers-color-scheme: dark)', color: '#0e0f14' },
  ],
}

export default async function RootLayout({ children }: { children: ReactNode }) {
  const [theme, nonce, locale] = await Promise.all([chosenTheme(), cspNonce(), getLocale()])
  return (
    <html lang={locale} data-theme={theme === 'system' ? undefined : theme}>
      <head>
        <style
          nonce={nonce}
          suppressHydrationWarning
          // biome-ignore lint/security/noDangerouslySetInnerHtml: made of a colour that was checked
          dangerouslySetInnerHTML={{ __html: brandSheet(requests.settings().brandColor) }}
        />
      </head>
      <body>{children}</body>
    </html>
  )
}
