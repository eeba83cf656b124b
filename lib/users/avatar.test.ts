import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { beforeAll, describe, expect, test } from 'vitest'
import { inTx } from '../base/db'
import { testCaller, useStores } from '../testing'
import { encodeAvatar, MAX_UPLOAD_BYTES } from './avatar'
import * as users from './index'

const stores = useStores()
const caller = testCaller()

const picture = (width = 400, height = 300) =>
  sharp({ create: { width, height, channels: 3, background: '#3366cc' } })

let owner = ''
beforeAll(async () => {
  const made = await inTx((tx) =>
    users.register(tx, { email: 'avatar@example.com', verified: true, locale: 'en' }),
  )
  if (made.ok) owner = made.value.id
})

const set = (bytes: Uint8Array) => users.profile.setAvatar(owner, bytes, caller)

async function stored() {
  const path = (await users.profile.get(owner))?.avatarPath
  const found = path ? await users.avatar(path.replace('/avatars/', '')) : null
  if (!found) throw new Error('no avatar')
  return found
}

describe('avatar', () => {
  test.each(['png', 'jpeg', 'webp', 'avif', 'gif'] as const)(
    '%s becomes a 256 × 256 WebP',
    async (format) => {
      const bytes = await picture().toFormat(format).toBuffer()
      expect((await set(bytes)).ok).toBe(true)
      const { bytes: made, mimeType } = await stored()
      expect(mimeType).toBe('image/webp')
      expect(await sharp(made).metadata()).toMatchObject({ format: 'webp', width: 256, height: 256 })
    },
  )

  test('its key is new with every picture, differs between users and is the picture claim', async () => {
    const bytes = await picture().png().toBuffer()
    const [mine, theirs] = await Promise.all([encodeAvatar('a', bytes), encodeAvatar('b', bytes)])
    expect(mine.ok && theirs.ok && mine.value.key !== theirs.value.key).toBe(true)
    const result = await set(bytes)
    if (!result.ok) throw new Error('refused')
    const claims = await users.claims(owner, ['profile'])
    expect(claims.picture).toBe(`http://localhost:3000${result.value.path}`)
    await users.profile.removeAvatar(owner, caller)
    expect((await users.claims(owner, ['profile'])).picture).toBeUndefined()
    expect(await users.avatar(result.value.path.replace('/avatars/', ''))).toBeNull()
  })

  test('metadata_of_the_upload_is_gone', async () => {
    const bytes = await picture()
      .withExif({ IFD0: { Copyright: 'SECRET-OWNER' }, IFD3: { GPSLatitude: '52/1 31/1 0/1' } })
      .jpeg()
      .toBuffer()
    expect((await sharp(bytes).metadata()).exif).toBeDefined()
    expect((await set(bytes)).ok).toBe(true)
    const { bytes: made } = await stored()
    const facts = await sharp(made).metadata()
    expect([facts.exif, facts.xmp, facts.iptc, facts.icc]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(made.includes('SECRET-OWNER')).toBe(false)
  })

  test('a picture is turned upright', async () => {
    const left = { create: { width: 200, height: 400, channels: 3 as const, background: '#ff0000' } }
    const bytes = await picture(400, 400)
      .composite([{ input: left, left: 0, top: 0 }])
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer()
    await set(bytes)
    const { data, info } = await sharp((await stored()).bytes)
      .raw()
      .toBuffer({ resolveWithObject: true })
    const at = (x: number, y: number) => data[(y * info.width + x) * info.channels] ?? 0
    // Orientation 6: the stored left half is shown on top.
    expect([at(30, 30) > 200, at(220, 30) > 200, at(30, 220) > 200]).toEqual([true, true, false])
  })

  test('only the first frame of an animation is kept', async () => {
    const frames = await sharp(
      await Promise.all(
        ['#00ff00', '#ff0000'].map((background) =>
          sharp({ create: { width: 64, height: 64, channels: 3, background } })
            .png()
            .toBuffer(),
        ),
      ),
      { join: { animated: true } },
    )
      .gif()
      .toBuffer()
    expect((await sharp(frames).metadata()).pages).toBe(2)
    await set(frames)
    const { bytes } = await stored()
    expect((await sharp(bytes).metadata()).pages).toBeUndefined()
    expect((await sharp(bytes).stats()).dominant.g).toBeGreaterThan(200)
  })

  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'

  test.each<[string, () => Promise<Uint8Array> | Uint8Array]>([
    ['svg', () => Buffer.from(svg)],
    ['svg_with_xml_prolog', () => Buffer.from(`<?xml version="1.0"?>${svg}`)],
    ['html', () => Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['pdf', () => Buffer.from('%PDF-1.7\n1 0 obj')],
    ['gif_header_on_javascript', () => Buffer.from('GIF89a/*=1;/*<script>alert(1)</script>*/')],
    [
      'png_with_html_behind',
      async () => Buffer.concat([await picture().png().toBuffer(), Buffer.from('<script>alert(1)</script>')]),
    ],
    [
      'gif_with_html_behind',
      async () =>
        Buffer.concat([await picture().gif().toBuffer(), Buffer.from('<HTML><body onload=alert(1)>')]),
    ],
    [
      'jpeg_with_script_in_its_metadata',
      () =>
        picture()
          .withExif({ IFD0: { Copyright: '<script>alert(1)</script>' } })
          .jpeg()
          .toBuffer(),
    ],
    [
      'svg_in_a_png_chunk',
      async () => {
        const png = await picture().png().toBuffer()
        return Buffer.concat([png.subarray(0, 33), Buffer.from(`\0\0\0\x40tEXt${svg}`), png.subarray(33)])
      },
    ],
    ['bmp', () => Buffer.from('424d3a0000000000000036000000280000000100000001000000', 'hex')],
    ['tiff', () => picture().tiff().toBuffer()],
    [
      'jpeg_called_png',
      async () =>
        Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), await picture().jpeg().toBuffer()]),
    ],
    ['nothing', () => Buffer.alloc(0)],
    ['png_signature_alone', () => Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
    ['noise', () => Buffer.from(Array.from({ length: 5000 }, (_, n) => (n * 197) % 251))],
    ['a_string', () => 'data:image/png;base64,AAAA' as unknown as Uint8Array],
    ['an_object', () => ({ length: 5 }) as unknown as Uint8Array],
  ])('%s_is_refused_as_a_picture', async (_, make) => {
    expect(await set(await make())).toMatchObject({ ok: false, refusal: { code: 'image_invalid' } })
  })

  test.each(['png', 'jpeg', 'webp', 'gif', 'avif'] as const)('truncated_%s_is_refused', async (format) => {
    const noise = Buffer.from(Array.from({ length: 120 * 120 * 3 }, (_, n) => (n * n * 31 + n * 7) % 256))
    const whole = await sharp(noise, { raw: { width: 120, height: 120, channels: 3 } })
      .toFormat(format)
      .toBuffer()
    const cut = whole.subarray(0, Math.floor(whole.length * 0.6))
    expect(await set(cut)).toMatchObject({ ok: false, refusal: { code: 'image_invalid' } })
  })

  test('loaders_of_every_other_format_are_shut_in_this_process', async () => {
    expect((await encodeAvatar(owner, await picture().png().toBuffer())).ok).toBe(true)
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
    await expect(sharp(svg).metadata()).rejects.toThrow()
    const tiff = await picture().tiff().toBuffer()
    await expect(sharp(tiff).metadata()).rejects.toThrow()
  })

  test('decompression_bomb_is_refused_before_it_is_unpacked', async () => {
    const bomb = pngOf(30_000, 30_000)
    expect(bomb.length).toBeLessThan(MAX_UPLOAD_BYTES)
    const before = process.memoryUsage().rss
    expect(await set(bomb)).toMatchObject({ ok: false, refusal: { code: 'image_too_large' } })
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
  })

  test('long_thin_picture_is_refused', async () => {
    expect(await set(pngOf(100_000, 1))).toMatchObject({ refusal: { code: 'image_too_large' } })
  })

  test('upload_over_5_MB_is_refused_unread', async () => {
    const big = Buffer.alloc(MAX_UPLOAD_BYTES + 1)
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1').copy(big)
    expect(await set(big)).toMatchObject({ ok: false, refusal: { code: 'image_too_large', status: 413 } })
  })

  test('a_flood_of_uploads_is_refused_beyond_the_queue_and_the_queue_recovers', async () => {
    const bytes = await picture(2000, 2000).png().toBuffer()
    const results = await Promise.all(Array.from({ length: 30 }, () => encodeAvatar(owner, bytes)))
    expect(results.filter((r) => r.ok)).toHaveLength(8)
    for (const r of results) if (!r.ok) expect(r.refusal).toMatchObject({ code: 'busy', status: 503 })
    expect((await encodeAvatar(owner, bytes)).ok).toBe(true)
  })

  test('a refused upload leaves the picture as it was', async () => {
    await set(await picture().png().toBuffer())
    const before = await stored()
    await set(Buffer.from(svg))
    expect((await stored()).bytes.equals(before.bytes)).toBe(true)
    const { rows } = await stores.sql('SELECT size, octet_length(bytes) AS octets FROM avatars')
    expect(rows).toHaveLength(1)
    expect(rows[0].size).toBe(rows[0].octets)
  })
})

/** A well-formed, tiny PNG file that unpacks to width × height black pixels (1 bit each). */
function pngOf(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(data.length)
    head.write(type, 4, 'latin1')
    const crc = Buffer.alloc(4)
    crc.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), data])))
    return Buffer.concat([head, data, crc])
  }
  const ihdr = Buffer.alloc(13)
  ihdr.writeUInt32BE(width)
  ihdr.writeUInt32BE(height, 4)
  ihdr[8] = 1
  const rows = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height), { level: 9 })
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', ihdr),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
