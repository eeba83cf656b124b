/** The kinds of values that several parts of the configuration have. */
import { z } from 'zod'

export const whole = (min: number, max: number) =>
  z.coerce
    .number({ message: 'must be a whole number' })
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`)

export const count = (fallback: number, min = 1, max = 1_000_000_000) => whole(min, max).default(fallback)

export const flag = z
  .enum(['on', 'off', 'true', 'false', '1', '0'], { message: 'must be on or off' })
  .transform((value) => value === 'on' || value === 'true' || value === '1')
