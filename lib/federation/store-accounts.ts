/**
 * Linked accounts in PostgreSQL, by way of Auth.js's adapter where it has a method for it. Atomic: `insert` holds a lock on
 * the identity to the end of its transaction, so that of two at once one links; `replaceTokens` writes only over what it
 * read.
 */
import { type Prisma, prisma, rethrow, type Tx } from '../base/db'
import { rows } from './store-adapter'
import type { AccountOwner } from './types'

export interface Row {
  id: string
  userId: string
  provider: string
  providerAccountId: string
  email: string | null
  displayName: string | null
  scope: string | null
  tokenType: string | null
  accessTokenSealed: string | null
  refreshTokenSealed: string | null
  tokenExpiresAt: Date | null
  metadata: Prisma.JsonValue
  linkedAt: Date
  lastUsedAt: Date | null
}

async function reading<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    rethrow(error)
  }
}

const clientOf = (tx: Tx | null) => tx ?? prisma()

/** By provider and subject. */
export const find = (tx: Tx | null, provider: string, subject: string): Promise<Row | null> =>
  reading(async () => (await rows(clientOf(tx)).getAccount?.(subject, provider)) as Row | null)

export const list = (userId: string): Promise<Row[]> =>
  reading(() =>
    prisma().account.findMany({ where: { userId }, orderBy: [{ linkedAt: 'asc' }, { id: 'asc' }] }),
  )

export const ofUser = (userId: string, provider: string): Promise<Row[]> =>
  reading(() => prisma().account.findMany({ where: { userId, provider }, orderBy: { lastUsedAt: 'desc' } }))

export const read = (id: string): Promise<Row | null> =>
  reading(() => prisma().account.findUnique({ where: { id } }))

export const count = (tx: Tx, userId: string, providers: string[]): Promise<number> =>
  tx.account.count({ where: { userId, provider: { in: providers } } })

export const byId = (tx: Tx, userId: string, id: string): Promise<Row | null> =>
  tx.account.findFirst({ where: { id, userId } })

export type NewRow = Omit<Row, 'metadata' | 'linkedAt' | 'lastUsedAt'> & {
  type: string
  metadata: Prisma.InputJsonObject
  providerSessionId: string | null
  linkedAt: Date
  lastUsedAt: Date
}

/** False when the identity is linked already. */
export async function insert(tx: Tx, row: NewRow): Promise<boolean> {
  const { provider, providerAccountId } = row
  const name = JSON.stringify([provider, providerAccountId])
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 7))`
  if (await find(tx, provider, providerAccountId)) return false
  await rows(tx).linkAccount?.(row as never)
  return true
}

export async function remove(tx: Tx, row: Row): Promise<void> {
  const { provider, providerAccountId } = row
  await rows(tx).unlinkAccount?.({ provider, providerAccountId })
}

export type Update = Prisma.AccountUpdateInput

export async function update(tx: Tx, { id, userId }: AccountOwner, data: Update): Promise<void> {
  await tx.account.updateMany({ where: { id, userId }, data: data as Prisma.AccountUpdateManyMutationInput })
}

/** Writes new tokens where the old refresh token still stands; false when somebody else was faster. */
export const replaceTokens = (id: string, refreshTokenSealed: string, data: Update): Promise<boolean> =>
  reading(async () => {
    const { count: changed } = await prisma().account.updateMany({
      where: { id, refreshTokenSealed },
      data: data as Prisma.AccountUpdateManyMutationInput,
    })
    return changed === 1
  })
