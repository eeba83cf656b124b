/** The lives of sessions: what holds for everybody, and what holds for roles. */
import { z } from 'zod'

/** What holds for whoever has a role; what is left out is as for everybody. */
export interface SessionLimits {
  idleSeconds?: number
  maxSeconds?: number
  /** How many at once; the least recently active goes. */
  count?: number
}

const SECONDS = { m: 60, h: 3600, d: 86_400 } as const
const UNITS: Partial<Record<string, number>> = SECONDS
const SENTENCE = 'must look like: admin: idle=30m max=12h sessions=3; support: idle=2h'

/** `null` for a part that cannot be read. */
function readPart(part: string): SessionLimits | null {
  const [, name, digits = '', unit = ''] = /^(idle|max|sessions)=(\d{1,6})([mhd]?)$/.exec(part) ?? []
  const amount = Number(digits)
  if (!name || amount < 1) return null
  if (name === 'sessions') return unit ? null : { count: amount }
  const seconds = amount * (UNITS[unit] ?? Number.NaN)
  if (!(seconds > 0)) return null
  return name === 'idle' ? { idleSeconds: seconds } : { maxSeconds: seconds }
}

function readRoles(text: string): Map<string, SessionLimits> | null {
  const roles = new Map<string, SessionLimits>()
  for (const entry of text.split(';')) {
    if (!entry.trim()) continue
    const [role = '', rest = '', ...more] = entry.split(':').map((word) => word.trim())
    const parts = rest.split(/\s+/).filter(Boolean).map(readPart)
    if (!/^[\w.-]{1,60}$/.test(role) || more.length > 0 || parts.length === 0 || parts.includes(null))
      return null
    if (roles.has(role)) return null
    roles.set(role, Object.assign({}, ...parts))
  }
  return roles
}

/** The variable, as the schema of env.ts has it. */
export const roleLimits = z
  .string()
  .default('')
  .refine((text) => readRoles(text) !== null, { message: SENTENCE })

export const readRoleLimits = (text: string): Map<string, SessionLimits> => readRoles(text) ?? new Map()
