/**
 * Auth.js's adapter for Prisma over our tables. Its methods for accounts do the reading and writing; those that would make
 * or change people and sessions are closed: the one door is the room `signin` (decision 060). For its links by mail there is
 * not even a table.
 */
import { PrismaAdapter } from '@auth/prisma-adapter'
import type { Adapter } from 'next-auth/adapters'
import { prisma, rethrow, type Tx } from '../base/db'

const CLOSED = [
  'createUser',
  'updateUser',
  'deleteUser',
  'getUserByEmail',
  'createSession',
  'getSessionAndUser',
  'updateSession',
  'deleteSession',
  'createVerificationToken',
  'useVerificationToken',
] as const

const closed = Object.fromEntries(
  CLOSED.map((name) => [
    name,
    () => {
      throw new Error(`${name} is not next-auth's to do here`)
    },
  ]),
)

/** For next-auth: it may look up whose account it is, and nothing else. */
export function adapter(): Adapter {
  const base = rows(prisma())
  return {
    ...base,
    ...closed,
    linkAccount: () => {
      throw new Error('linkAccount is the room’s own to do')
    },
    getUserByAccount: async (account: { provider: string; providerAccountId: string }) => {
      try {
        return (await base.getUserByAccount?.(account)) ?? null
      } catch (error) {
        rethrow(error)
      }
    },
  } as Adapter
}

type Rows = ReturnType<typeof PrismaAdapter>

/** The adapter over a client or a transaction; it knows Prisma by its shape alone. */
export const rows = (client: Tx | ReturnType<typeof prisma>): Rows =>
  PrismaAdapter(client as unknown as Parameters<typeof PrismaAdapter>[0])
