/** OP11: what is posted to addresses that other people registered. */
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcp } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ForbiddenAddress, getDocument, mayConnect, postForm } from './outbound'

const servers: { close(): unknown; closeAllConnections?(): void }[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections?.()
    server.close()
  }
})

async function listening(answer: RequestListener, host = '127.0.0.1'): Promise<number> {
  const server: Server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  return (server.address() as AddressInfo).port
}

const LOOPBACK = { privateNetworks: ['loopback'] }
const at =
  (address: string, family = 4) =>
  async () => [{ address, family }]

describe('addresses', () => {
  it.each([
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '192.0.2.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:169.254.169.254',
    'fe80::1',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::7f00:1',
    '::7f00:1',
    '::a9fe:a9fe',
    '100:0:0:1::1',
    '4000::1',
    '2002:7f00:1::',
    '2001:db8::1',
    'nonsense',
  ])('%s is not public', (address) => {
    expect(mayConnect(address, [])).toBe(false)
  })

  it.each(['93.184.216.34', '2606:2800:220:1:248:1893:25c8:1946', '::ffff:93.184.216.34'])(
    '%s is',
    (address) => {
      expect(mayConnect(address, [])).toBe(true)
    },
  )

  it('of networks that the operator names may be asked, and no others', () => {
    expect(mayConnect('10.1.2.3', ['10.0.0.0/8'])).toBe(true)
    expect(mayConnect('::ffff:10.1.2.3', ['10.0.0.0/8'])).toBe(true)
    expect(mayConnect('192.168.1.1', ['10.0.0.0/8'])).toBe(false)
    expect(mayConnect('::1', ['loopback'])).toBe(true)
    expect(mayConnect('169.254.169.254', ['loopback', 'uniquelocal'])).toBe(false)
  })
})

describe('posting', () => {
  it('sends the form and gives the status', async () => {
    let got = ''
    const port = await listening(async (req, res) => {
      for await (const chunk of req) got += chunk
      res.writeHead(204).end()
    })
    expect(await postForm(`http://127.0.0.1:${port}/x`, { logout_token: 'a+b&c' }, LOOPBACK)).toBe(204)
    expect(new URLSearchParams(got).get('logout_token')).toBe('a+b&c')
  })

  it('reaches IPv6', async () => {
    const port = await listening((_req, res) => void res.end(), '::1')
    expect(await postForm(`http://[::1]:${port}/`, {}, LOOPBACK)).toBe(200)
    await expect(postForm(`http://[::1]:${port}/`, {}, { privateNetworks: [] })).rejects.toBeInstanceOf(
      ForbiddenAddress,
    )
  })

  it.each([
    'http://127.0.0.1:PORT/',
    'http://0x7f.1:PORT/',
    'http://2130706433:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://localhost:PORT/',
  ])('private_address_in_any_spelling_is_refused: %s', async (address) => {
    let asked = 0
    const port = await listening((_req, res) => {
      asked++
      res.end()
    })
    const target = address.replace('PORT', String(port))
    await expect(postForm(target, {}, { privateNetworks: [] })).rejects.toBeInstanceOf(ForbiddenAddress)
    expect(asked).toBe(0)
  })

  it('name_that_leads_to_a_private_address_is_refused', async () => {
    for (const [address, family] of [
      ['169.254.169.254', 4],
      ['10.0.0.7', 4],
      ['fd00:ec2::254', 6],
    ] as const) {
      const options = { privateNetworks: [], resolve: at(address, family) }
      await expect(postForm('http://app.example/', {}, options)).rejects.toBeInstanceOf(ForbiddenAddress)
    }
  })

  it('dns_rebinding: the name is asked once, and what was judged is what is connected to', async () => {
    let hits = 0
    const port = await listening((_req, res) => {
      hits++
      res.end()
    })
    let asked = 0
    const resolve = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '10.0.0.7', family: 4 }]
    // The name exists nowhere else: had it been looked up again, nothing would have answered.
    expect(await postForm(`http://rebind.invalid:${port}/`, {}, { ...LOOPBACK, resolve })).toBe(200)
    expect([asked, hits]).toEqual([1, 1])
  })

  it('of several addresses only those that are allowed are connected to', async () => {
    const port = await listening((_req, res) => void res.end())
    const resolve = async () => [
      { address: '10.0.0.7', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]
    expect(await postForm(`http://both.invalid:${port}/`, {}, { ...LOOPBACK, resolve })).toBe(200)
  })

  it('a_private_address_beside_an_allowed_one_is_not_connected_to', async () => {
    let hits = 0
    const port = await listening((_req, res) => {
      hits++
      res.end()
    })
    // Ours answers at the one that nobody allowed; at the other nobody does.
    const resolve = async () => [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.9', family: 4 },
    ]
    const options = { privateNetworks: ['127.0.0.9/32'], resolve, deadlineMs: 500 }
    await expect(postForm(`http://both.invalid:${port}/`, {}, options)).rejects.toThrow()
    expect(hits).toBe(0)
  })

  it('redirect_is_an_answer_like_any_other', async () => {
    let followed = 0
    const port = await listening((req, res) => {
      if (req.url === '/next') followed++
      res.writeHead(302, { Location: '/next' }).end()
    })
    expect(await postForm(`http://127.0.0.1:${port}/`, {}, LOOPBACK)).toBe(302)
    expect(followed).toBe(0)
  })

  it('slow_answer_ends_at_the_deadline', async () => {
    const tcp = createTcp((socket) => {
      socket.on('error', () => {})
      // A head that never ends.
      socket.write('HTTP/1.1 200 OK\r\nX-Slow: ')
    })
    servers.push(tcp)
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
    const { port } = tcp.address() as AddressInfo
    await expect(postForm(`http://127.0.0.1:${port}/`, {}, { ...LOOPBACK, deadlineMs: 50 })).rejects.toThrow()
  })

  it('slow_name_server_ends_at_the_deadline', async () => {
    const resolve = () => new Promise<never>(() => {})
    const options = { ...LOOPBACK, resolve, deadlineMs: 20 }
    await expect(postForm('http://slow.invalid/', {}, options)).rejects.toThrow(/timeout/i)
  })

  it('endless_body_and_endless_head_cost_nothing', async () => {
    const endless = await listening((_req, res) => {
      const more = () => {
        while (!res.destroyed && res.write('x'.repeat(65_536)));
      }
      res.on('drain', more)
      more()
    })
    expect(await postForm(`http://127.0.0.1:${endless}/`, {}, LOOPBACK)).toBe(200)
    const head = await listening((_req, res) => {
      res.writeHead(200, { 'X-Long': 'x'.repeat(20_000) }).end()
    })
    await expect(postForm(`http://127.0.0.1:${head}/`, {}, LOOPBACK)).rejects.toThrow(/overflow/i)
  })

  it('document_that_is_too_long_is_not_read', async () => {
    let sent = 0
    const port = await listening((_req, res) => {
      const more = () => {
        while (!res.destroyed && res.write('x'.repeat(65_536))) sent += 65_536
      }
      res.on('drain', more)
      more()
    })
    const options = { ...LOOPBACK, deadlineMs: 3000 }
    await expect(getDocument(`http://127.0.0.1:${port}/`, 1000, options)).rejects.toThrow(
      'longer than 1000 bytes',
    )
    expect(sent).toBeLessThan(50_000_000)
  })

  it('document_in_the_clear_is_taken_from_networks_of_the_operator_alone', async () => {
    const options = { privateNetworks: [], resolve: at('8.8.8.8'), deadlineMs: 200 }
    const asked = getDocument('http://keys.example/', 1000, options)
    await expect(asked).rejects.toBeInstanceOf(ForbiddenAddress)
    const port = await listening((_req, res) => void res.end('{}'))
    expect(await getDocument(`http://127.0.0.1:${port}/`, 1000, LOOPBACK)).toMatchObject({ text: '{}' })
  })

  it('other schemes are no addresses of apps', async () => {
    for (const target of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://127.0.0.1/'])
      await expect(postForm(target, {}, LOOPBACK)).rejects.toBeInstanceOf(ForbiddenAddress)
  })
})
