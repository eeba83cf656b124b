import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { CopyButton } from '../ui/copy-button'
import { Icon } from '../ui/icon'
import { check, copy, smartphone } from '../ui/icons'

interface Props {
  /** The key in base32, and the same in groups of four to read. */
  secret: string
  groups: readonly string[]
  /** `otpauth://totp/…` */
  uri: string
  /** A whole `<svg>`, black on white with its quiet zone. Made by us, never of input. */
  qr: string
}

/**
 * What an authenticator app needs, in three ways: a picture to scan, a button where the app is on this
 * very device, and the key to type or copy for everyone who cannot scan.
 */
export async function TotpKey({ secret, groups, uri, qr }: Props) {
  const [t, ui] = await Promise.all([getTranslations('factors.totp_key'), getTranslations('ui')])
  return (
    <div className="grid gap-4">
      {/* Where there is no mouse this is most likely the device the app is on. */}
      <LinkButton href={uri} className="hidden pointer-coarse:inline-flex">
        <Icon of={smartphone} />
        {t('open_app')}
      </LinkButton>
      <div
        role="img"
        aria-label={t('qr_alt')}
        data-testid="totp-qr"
        className="mx-auto w-52 max-w-full overflow-clip rounded-control border border-line bg-on-fill [&>svg]:block [&>svg]:h-auto [&>svg]:w-full"
        // biome-ignore lint/security/noDangerouslySetInnerHtml: drawn by our own encoder
        dangerouslySetInnerHTML={{ __html: qr }}
      />
      <div className="rounded-control border border-line bg-sunken px-4 py-3">
        <p className="text-sm text-ink-2">{t('key')}</p>
        <div className="mt-1.5 flex flex-wrap items-center justify-between gap-3">
          <code
            data-testid="totp-key"
            className="flex min-w-0 flex-wrap gap-x-2.5 font-mono text-[0.9375rem] font-medium"
          >
            {groups.map((group, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: groups stand in a fixed order
              <span key={index}>{group}</span>
            ))}
          </code>
          <CopyButton
            text={secret}
            label={ui('copy')}
            copiedLabel={ui('copied')}
            icon={<Icon of={copy} className="size-4" />}
            copiedIcon={<Icon of={check} className="size-4" />}
          />
        </div>
      </div>
    </div>
  )
}
