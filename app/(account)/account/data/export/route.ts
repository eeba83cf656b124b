/** What is in a person's account, as one file; the history, with the sessions that are over, is a file of its own. Asks for itself who is there. */
import { getTranslations } from 'next-intl/server'
import { factors, federation, oidc, recovery, requests, sessions, users } from '@/lib'
import type { SessionRow } from '@/lib/sessions'
import { signInHref, whoIs } from '../../../../_lib/guard'
import { seeOther } from '../../../../_lib/login'

export async function GET(): Promise<Response> {
  const { session } = await whoIs()
  if (!session) return seeOther(signInHref('/account/data'))
  // Whoever laid a guest's session into a browser must not read there from where it is used.
  if (session.guest) return seeOther('/account')
  const exportedAt = new Date(requests.nowMs()).toISOString()
  const about = (await getTranslations('account.data'))('export_about')
  const copy = { about, exportedAt, ...(await copyOf(session.userId)) }
  return new Response(`${JSON.stringify(copy, null, 2)}\n`, {
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-disposition': `attachment; filename="account-${exportedAt.slice(0, 10)}.json"`,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
  })
}

/** Secrets are none of it: not even their owner reads a password, a key or a code here. */
async function copyOf(userId: string) {
  const [user, profile, metadata, emails, phones, textsOn] = await Promise.all([
    users.get(userId),
    users.profile.get(userId),
    users.metadata.get(userId),
    users.emails.list(userId),
    users.phones.list(userId),
    users.phones.wantsTexts(userId),
  ])
  const [hasPassword, authenticators, passkeys, backupCodes, linked, contacts] = await Promise.all([
    factors.password.has(userId),
    factors.totp.list(userId),
    factors.passkeys.list(userId),
    factors.backupCodes.status(userId),
    federation.accounts.list(userId),
    recovery.contacts.list(userId),
  ])
  const [devices, signedIn, apps, tokens] = await Promise.all([
    sessions.devices(userId, 1000),
    allSessions(userId),
    oidc.grants.list(userId),
    oidc.personalTokens.list(userId),
  ])
  return {
    account: user && {
      id: user.id,
      status: user.status,
      roles: user.roles,
      createdAt: user.createdAt,
      lastLoginAt: user.lastLoginAt,
      lockedDownAt: user.lockedDownAt,
      metadata,
    },
    profile: profile && { ...profile, picture: await pictureOf(user?.avatarPath ?? null) },
    emails,
    phones: phones.map(({ id, number, isPrimary, verifiedAt, createdAt }) => ({
      id,
      number,
      isPrimary,
      verifiedAt,
      createdAt,
    })),
    textsAboutSecurity: textsOn,
    waysIn: { password: hasPassword, authenticators, passkeys, backupCodes, linkedAccounts: linked },
    trustedContacts: contacts.map(({ name, since }) => ({ name, since })),
    devices,
    sessions: signedIn,
    connectedApps: apps.map(({ clientId, clientName, scopes, claims, apiScopes, createdAt, lastUsedAt }) => ({
      clientId,
      clientName,
      scopes,
      claims,
      apiScopes,
      createdAt,
      lastUsedAt,
    })),
    accessTokens: tokens.map(({ id, name, scopes, createdAt, expiresAt, lastUsedAt }) => ({
      id,
      name,
      scopes,
      createdAt,
      expiresAt,
      lastUsedAt,
    })),
  }
}

const PAGE = 100

async function allSessions(userId: string): Promise<SessionRow[]> {
  const all: SessionRow[] = []
  for (;;) {
    const last = all.at(-1)
    const page = await sessions.list(userId, {
      limit: PAGE,
      ...(last && { before: { at: last.lastActiveAt, sid: last.sid } }),
    })
    all.push(...page)
    if (page.length < PAGE) return all
  }
}

async function pictureOf(path: string | null) {
  const picture = path && (await users.avatar(path.slice(path.lastIndexOf('/') + 1)))
  return picture ? { mimeType: picture.mimeType, base64: picture.bytes.toString('base64') } : null
}
