import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { factors, recovery, requests, security, sessions, users } from '@/lib'
import { ActionForm } from '../../../../components/account/action-form'
import { AddPasskey } from '../../../../components/account/add-passkey'
import { BackupCodesCard } from '../../../../components/account/backup-codes-card'
import { ConfirmChange } from '../../../../components/account/confirm-change'
import { FACTOR_ICONS } from '../../../../components/account/factor-icons'
import { FactorItem } from '../../../../components/account/factor-item'
import { FactorsCard } from '../../../../components/account/factors-card'
import { answerIcons } from '../../../../components/account/icons'
import { PasswordCard } from '../../../../components/account/password-card'
import { RenameFactor } from '../../../../components/account/rename-factor'
import { SignalPasskeys } from '../../../../components/account/signal-passkeys'
import { StepsCard } from '../../../../components/account/steps-card'
import { TrustedCard } from '../../../../components/account/trusted-card'
import { troubleWords } from '../../../../components/factors/trouble-words'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { Icon } from '../../../../components/ui/icon'
import { plus } from '../../../../components/ui/icons'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { draftsOf, reauthHref, signedIn } from '../../../_lib/guard'
import { one, type Query } from '../../../_lib/login'
import {
  addPasskey,
  changePassword,
  forgetDevice,
  passkeyOptions,
  removeFactor,
  renameFactor,
} from './actions'
import { beginAuthenticator } from './authenticator/actions'
import { securityOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.security'))('title') }
}

const PATH = '/account/security'

/** How a person signs in: the second step, every factor, trusted browsers, the password. */
export default async function Security({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { session, user } = await signedIn(PATH)
  const [t, s, f, ui, enrolled, apps, keys, codes, devices, profile, signal, trouble, outcome] =
    await Promise.all([
      getTranslations('recovery.security'),
      getTranslations('security'),
      getTranslations('factors.methods'),
      getTranslations('ui'),
      factors.enrolled(user.id),
      factors.totp.list(user.id),
      factors.passkeys.list(user.id),
      factors.backupCodes.status(user.id),
      sessions.devices(user.id),
      users.profile.get(user.id),
      factors.passkeys.signal(user.id),
      troubleWords(),
      securityOutcome.last(),
    ])
  const draft = await draftsOf(session, PATH)
  const standing = security.standing(session, enrolled)
  const { may } = standing
  const { productName: product, passwordMinLength: minLength } = requests.settings()
  const fresh = sessions.isFresh(session)
  const times = { timeZone: profile?.timezone ?? 'UTC', now: requests.nowMs() }
  /** Where a question is asked; whoever proved themselves a while ago does so again first. */
  const ask = (what: string, id: string) => {
    const href = `${PATH}?${what}=${id}`
    return fresh ? href : reauthHref(href)
  }
  const all = [
    ...keys.map((key) => ({
      ...key,
      name: key.nickname || f(key.kind),
      store: 'passkey' as const,
      about: [
        key.provider?.name,
        s(
          key.kind === 'security_key'
            ? 'security_keys.bound'
            : key.synced
              ? 'passkeys.synced'
              : 'passkeys.bound',
        ),
      ],
    })),
    ...apps.map((app) => ({ ...app, kind: 'totp' as const, store: 'totp' as const, about: [] })),
  ]
  const asked = (what: string) => (fresh ? all.find(({ id }) => id === one(query[what])) : undefined)
  const [renaming, removing] = [asked('rename'), asked('remove')]
  const lastOne = all.length === 1
  const lastPasskey = removing?.kind === 'passkey' && enrolled.passkeys === 1
  const stays =
    standing.passkeyOnly && lastPasskey
      ? s('factor.remove_passkey_only')
      : lastOne && standing.asked === 'required' && standing.from === null
        ? s('factor.remove_required', { product })
        : null
  const trusted = devices.flatMap((device) =>
    device.trustedUntil ? [{ ...device, trustedUntil: device.trustedUntil }] : [],
  )
  const rows = (kind: (typeof all)[number]['kind']) =>
    all
      .filter((factor) => factor.kind === kind)
      .map((factor) => (
        <FactorItem
          key={factor.id}
          icon={FACTOR_ICONS[kind]}
          name={factor.name}
          about={factor.about.filter((word) => word && word !== factor.name).join(' · ')}
          createdAt={factor.createdAt}
          lastUsedAt={factor.lastUsedAt}
          renameHref={ask('rename', factor.id)}
          removeHref={ask('remove', factor.id)}
          {...times}
        />
      ))
  const another = (kind: 'passkey' | 'security_key', words: 'passkeys' | 'security_keys') =>
    fresh && may[kind] ? (
      <>
        <AddPasskey
          kind={kind}
          begin={passkeyOptions}
          add={addPasskey}
          label={s(`${words}.add`)}
          workingLabel={ui('working')}
          trouble={trouble}
          icon={<Icon of={plus} className="size-4" />}
        />
        <p className="hidden text-[0.9375rem] text-ink-2 noscript:block">{s(`${words}.no_script`)}</p>
      </>
    ) : null

  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        {outcome?.kind === 'password' ? (
          <Notice kind="success">{t('changed', { count: outcome.ended })}</Notice>
        ) : outcome?.kind === 'gone' ? (
          <Notice kind="info" live="status">
            {s('trusted.gone')}
          </Notice>
        ) : outcome?.kind === 'asked_again' ? (
          <Notice kind="success">{s('trusted.done', { device: outcome.name })}</Notice>
        ) : outcome ? (
          <Notice kind="success">
            <p className="wrap-anywhere">{s(`factor.done_${outcome.kind}`, { name: outcome.name })}</p>
          </Notice>
        ) : null}

        <StepsCard
          standing={standing}
          strong={all.length}
          codes={codes}
          codesHref={`${PATH}/codes`}
          product={product}
          timeZone={times.timeZone}
        />

        {fresh ? null : (
          <Notice kind="info">
            {s('factor.fresh_text')}{' '}
            <a href={reauthHref(PATH)} className="link">
              {s('factor.fresh_link')}
            </a>
          </Notice>
        )}

        {may.passkey || enrolled.passkeys ? (
          <FactorsCard
            id="passkeys"
            title={s('passkeys.title')}
            text={s('passkeys.text')}
            empty={s('passkeys.empty')}
            add={another('passkey', 'passkeys')}
          >
            {rows('passkey')}
          </FactorsCard>
        ) : null}

        {may.totp || enrolled.totp ? (
          <FactorsCard
            id="authenticators"
            title={s('authenticators.title')}
            text={s('authenticators.text')}
            empty={s('authenticators.empty')}
            add={
              fresh && may.totp ? (
                <ActionForm action={beginAuthenticator} icons={answerIcons} className="grid gap-3">
                  <div>
                    <SubmitButton look="secondary" size="sm" workingLabel={ui('working')}>
                      <Icon of={plus} className="size-4" />
                      {s('authenticators.add')}
                    </SubmitButton>
                  </div>
                </ActionForm>
              ) : null
            }
          >
            {rows('totp')}
          </FactorsCard>
        ) : null}

        {may.security_key || enrolled.securityKeys ? (
          <FactorsCard
            id="security-keys"
            title={s('security_keys.title')}
            text={s('security_keys.text')}
            empty={s('security_keys.empty')}
            add={another('security_key', 'security_keys')}
          >
            {rows('security_key')}
          </FactorsCard>
        ) : null}

        {codes || (standing.on && may.backup_code) ? (
          <BackupCodesCard
            codes={codes}
            href={standing.on && may.backup_code ? `${PATH}/codes` : null}
            {...times}
          />
        ) : null}

        {trusted.length ? (
          <TrustedCard devices={trusted} currentId={session.deviceId} forget={forgetDevice} {...times} />
        ) : null}

        {standing.passwords ? (
          <PasswordCard
            has={enrolled.password}
            suffices={await recovery.passwordSuffices(session)}
            proven={fresh}
            email={user.email}
            minLength={minLength}
            reauthHref={reauthHref(`${PATH}#password`)}
            action={changePassword}
          />
        ) : enrolled.password ? (
          <Card id="password" title={s('password.title')}>
            <p className="text-ink-2">{s('password.off')}</p>
          </Card>
        ) : null}

        <Card id="recovery" title={t('recovery_title')}>
          <div className="flex flex-wrap items-center justify-between gap-4">
            <p className="max-w-prose text-ink-2">{t('recovery_text')}</p>
            <LinkButton href={`${PATH}/recovery`} look="secondary" size="sm">
              {t('recovery_link')}
            </LinkButton>
          </div>
        </Card>
      </div>

      {signal ? (
        <SignalPasskeys
          rpId={signal.rpId}
          userId={signal.userId}
          credentialIds={signal.allAcceptedCredentialIds}
          name={user.email ?? user.id}
          displayName={user.name ?? user.email ?? user.id}
        />
      ) : null}

      {renaming ? (
        <RenameFactor
          kind={renaming.store}
          id={renaming.id}
          name={renaming.name}
          action={renameFactor}
          draft={draft('rename', { id: renaming.id })}
          closeHref={PATH}
        />
      ) : removing ? (
        <ConfirmChange
          title={s('factor.remove_title', { name: removing.name })}
          effects={
            stays
              ? [stays]
              : [
                  s(`factor.remove_${removing.kind}`),
                  ...(lastOne ? [s('factor.remove_last')] : []),
                  s('factor.remove_told'),
                ]
          }
          action={removeFactor}
          hidden={{ kind: removing.store, id: removing.id }}
          submit={stays ? null : s('factor.remove')}
          danger
          closeHref={PATH}
        />
      ) : null}
    </>
  )
}
