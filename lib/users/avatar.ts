/**
 * Pictures from strangers. Only pixels pass: the upload is decoded by one of five loaders and written
 * anew, so metadata, colour profiles, scripts, appended archives and later frames do not survive.
 */
import type { Sharp } from 'sharp'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'

export const MAX_UPLOAD_BYTES = 5 * 1024 * 1024
/** Most formats are read in strips. AVIF is unpacked whole, at 19 bytes a pixel (measured): 110 MB at most. */
const MAX_PIXELS = 24_000_000
const MAX_PIXELS_AVIF = 6_000_000
const MAX_SIDE = 12_000
const SIDE = 256
const SECONDS_PER_IMAGE = 8
/** One picture at a time keeps memory flat; this many more may wait. */
const MAX_WAITING = 8

const FORMATS = new Set(['png', 'jpeg', 'webp', 'gif', 'heif'])

/**
 * Markup has no place in a picture; a file that is both is meant to be taken for the other. Five bytes and
 * more, so that compressed pixels do not spell it by chance.
 */
const MARKUP = /<(?:!doctype|html|svg[\s>]|script|iframe|\?php)|%PDF-/i

/** The loaders libvips may use in this process; SVG, PDF, TIFF, ImageMagick and the rest are shut. */
const LOADERS = ['Png', 'Jpeg', 'Webp', 'Nsgif', 'Heif'].map((name) => `VipsForeignLoad${name}Buffer`)

export interface EncodedAvatar {
  key: string
  mimeType: string
  bytes: Uint8Array<ArrayBuffer>
}

type SharpModule = (input: Uint8Array, options: object) => Sharp

let loading: Promise<SharpModule> | null = null

/** Loaded at the first picture: the codecs are of no use to a portal nobody uploads to. */
function codecs(): Promise<SharpModule> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    sharp.block({ operation: ['VipsForeignLoad'] })
    sharp.unblock({ operation: LOADERS })
    sharp.cache(false)
    sharp.concurrency(1)
    return sharp
  })
  return loading
}

const ascii = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.subarray(start, end)).toString('latin1')

/** The format that the first bytes promise; null for none of ours. */
export function sniff(bytes: Uint8Array): 'png' | 'jpeg' | 'gif' | 'webp' | 'heif' | null {
  const head = ascii(bytes, 0, 16)
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (/^GIF8[79]a/.test(head)) return 'gif'
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'webp'
  if (/^(avif|avis)$/.test(head.slice(8, 12)) && head.slice(4, 8) === 'ftyp') return 'heif'
  return null
}

let tail: Promise<unknown> = Promise.resolve()
let waiting = 0

/**
 * Decodes an upload and makes the stored picture: 256 × 256 WebP, upright, sRGB, no metadata.
 * @param owner goes into the key, so that two users with one picture have two keys
 * @returns refusal `image_too_large` (bytes, pixels or sides), `image_invalid` (not one of the formats,
 *   broken, truncated, or also something else), `busy`
 */
export async function encodeAvatar(owner: string, bytes: Uint8Array): Promise<Result<EncodedAvatar>> {
  const field = 'avatar'
  if (!(bytes instanceof Uint8Array)) return refuse('image_invalid', { field })
  if (bytes.length > MAX_UPLOAD_BYTES)
    return refuse('image_too_large', { field, values: { max: MAX_UPLOAD_BYTES / 1024 / 1024 } })
  const format = sniff(bytes)
  if (!format || MARKUP.test(ascii(bytes, 0, bytes.length))) return refuse('image_invalid', { field })
  if (waiting >= MAX_WAITING) return refuse('busy', { retryAfterSeconds: 5 })

  waiting++
  const turn = tail.then(() => decode(bytes, format))
  tail = turn.catch(() => {})
  try {
    const made = await turn
    if (made === 'too_large')
      return refuse('image_too_large', { field, values: { max: MAX_UPLOAD_BYTES / 1024 / 1024 } })
    if (!made) return refuse('image_invalid', { field })
    return ok({
      key: sha256(Buffer.concat([Buffer.from(`${owner}\n`), made])),
      mimeType: 'image/webp',
      bytes: new Uint8Array(made),
    })
  } finally {
    waiting--
  }
}

async function decode(bytes: Uint8Array, format: string): Promise<Buffer | 'too_large' | null> {
  const sharp = await codecs()
  try {
    // failOn 'warning': a truncated or bent file is refused, not guessed at. pages 1: the first frame.
    const image = sharp(bytes, { failOn: 'warning', limitInputPixels: MAX_PIXELS, pages: 1 })
    const facts = await image.metadata()
    if (facts.format !== format || !FORMATS.has(facts.format)) return null
    if (facts.format === 'heif' && facts.compression !== 'av1') return null
    if (!facts.width || !facts.height) return null
    const maxPixels = facts.format === 'heif' ? MAX_PIXELS_AVIF : MAX_PIXELS
    if (Math.max(facts.width, facts.height) > MAX_SIDE || facts.width * facts.height > maxPixels) {
      return 'too_large'
    }
    return await image
      .autoOrient()
      .resize(SIDE, SIDE, { fit: 'cover' })
      .webp({ quality: 82, effort: 4 })
      .timeout({ seconds: SECONDS_PER_IMAGE })
      .toBuffer()
  } catch (error) {
    const message = (error as Error).message
    log().info({ err: message.slice(0, 120) }, 'picture refused')
    return /exceeds pixel limit|too large/i.test(message) ? 'too_large' : null
  }
}
