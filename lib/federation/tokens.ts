/** The providers' tokens, where the operator lets them be kept (PROVIDER_…_KEEP_TOKENS). Sealed at rest. */
import { setTimeout as wait } from 'node:timers/promises'
import { record } from '../audit'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { randomToken } from '../base/ids'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { keptOf, tokenColumns } from './accounts'
import { ProviderFailed } from './core'
import { ProviderDown } from './metadata'
import { refresh } from './refresh'
import { type Good, good } from './registry'
import { openFor, type Tokens } from './sealing'
import * as locks from './store'
import * as store from './store-accounts'
import type { ProviderToken } from './types'

/** One that is over in so short a time is as good as over. */
const MARGIN_MS = 60_000
const WAITS = 60
const WAIT_MS = 100

const usable = (row: store.Row): boolean =>
  row.accessTokenSealed !== null &&
  (row.tokenExpiresAt === null || row.tokenExpiresAt.getTime() - MARGIN_MS > nowMs())

const told = (row: store.Row): ProviderToken => ({
  accessToken: openFor('access', row, row.accessTokenSealed ?? ''),
  tokenType: row.tokenType ?? 'bearer',
  scope: row.scope,
  expiresAt: row.tokenExpiresAt?.getTime() ?? null,
})

/**
 * The person's access token of a provider; one that is over is refreshed first (of two at once, one asks the provider).
 * @returns refusals: `not_found` (no such provider, not linked, or its tokens are not kept), `provider_tokens_over`
 *   (the provider gives no more: the person signs in with it again), `provider_down`
 * @throws StoresDown
 */
export async function get(userId: string, providerId: string): Promise<Result<ProviderToken>> {
  const provider = good(providerId)
  if (!provider?.settings.keepTokens) return refuse('not_found')
  const kept = (await store.ofUser(userId, providerId)).filter((row) => row.accessTokenSealed !== null)
  const row = kept.find(usable) ?? kept[0]
  if (!row) return refuse('not_found')
  return usable(row) ? ok(told(row)) : renewed(provider, row)
}

async function renewed(provider: Good, stale: store.Row): Promise<Result<ProviderToken>> {
  const holder = randomToken(16)
  for (let waits = 0; waits < WAITS; waits++) {
    if (await locks.lock(stale.id, holder)) {
      try {
        return await renew(provider, stale.id)
      } finally {
        await locks.unlock(stale.id, holder)
      }
    }
    // Somebody asks the provider right now; most refresh tokens are good once.
    await wait(WAIT_MS)
    const row = await store.read(stale.id)
    if (row && usable(row)) return ok(told(row))
  }
  return no('provider_down', provider)
}

const no = (code: 'provider_down' | 'provider_tokens_over', { view }: Good) =>
  refuse(code, { values: { provider: view.name } })

/** Under the lock: read anew, so that a refresh that was just made is not made again. */
async function renew(provider: Good, id: string): Promise<Result<ProviderToken>> {
  const row = await store.read(id)
  if (!row?.accessTokenSealed) return refuse('not_found')
  if (usable(row)) return ok(told(row))
  if (!row.refreshTokenSealed) return no('provider_tokens_over', provider)
  let tokens: Tokens
  try {
    const issuer = keptOf(row).issuer ?? ''
    tokens = await refresh(provider.settings, issuer, openFor('refresh', row, row.refreshTokenSealed))
  } catch (error) {
    if (error instanceof ProviderDown) {
      log().warn(
        { provider: provider.view.id, why: error.message.slice(0, 200) },
        'a provider does not answer',
      )
      return no('provider_down', provider)
    }
    if (!(error instanceof ProviderFailed)) throw error
    log().warn({ provider: provider.view.id, why: error.message.slice(0, 200) }, 'tokens are over')
    await over(row)
    return no('provider_tokens_over', provider)
  }
  const columns = tokenColumns(row, { ...tokens, scope: tokens.scope ?? row.scope })
  if (await store.replaceTokens(id, row.refreshTokenSealed, columns)) return ok(told({ ...row, ...columns }))
  // A sign-in brought newer ones meanwhile.
  const newer = await store.read(id)
  return newer && usable(newer) ? ok(told(newer)) : no('provider_tokens_over', provider)
}

/** What the provider will not renew is of no use any more. The owner's history says so. */
async function over(row: store.Row): Promise<void> {
  await inTx(async (tx) => {
    await store.update(tx, row, tokenColumns(row, null))
    const data = { provider: row.provider, account: row.id }
    await record(tx, { type: 'account.tokens_over', userId: row.userId, outcome: 'info', data })
  })
}
