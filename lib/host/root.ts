import { existsSync } from 'node:fs'
import path from 'node:path'

/** The folder of the product: where package.json, prisma/ and .next/ lie, from dist/ as from lib/host. */
export const ROOT = ((): string => {
  let at = import.meta.dirname
  while (!existsSync(path.join(at, 'package.json')) && at !== path.dirname(at)) at = path.dirname(at)
  return at
})()
