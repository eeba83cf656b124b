/** An authenticator app for journeys: scans the picture on the screen and counts by itself (RFC 6238). */
import { createHmac } from 'node:crypto'
import type { Locator } from '@playwright/test'
import decode from 'jsqr'
import sharp from 'sharp'

/** What the QR code in a picture of this element says. */
export async function scan(element: Locator): Promise<URL> {
  await element.scrollIntoViewIfNeeded()
  const { data, info } = await sharp(await element.screenshot())
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const found = decode(new Uint8ClampedArray(data), info.width, info.height)
  if (!found) throw new Error('no QR code in the picture')
  return new URL(found.data)
}

/** RFC 4648 base32. */
function unBase32(text: string): Buffer {
  const bits = Array.from(text.toUpperCase().replace(/[^A-Z2-7]/g, ''), (letter) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
  ).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

/**
 * The six digits at a moment.
 * @param steps how many time steps of 30 s away from now
 */
export function codeAt(secret: string, steps = 0, nowMs = Date.now()): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(nowMs / 30_000) + steps))
  const mac = createHmac('sha1', unBase32(secret)).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}
