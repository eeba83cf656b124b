/**
 * A second process of the same portal: same stores, same origin, its own port. Prints the port when ready; told anything,
 * it does its hourly work and says so.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as sessions from '../../sessions'
import * as oidc from '../index'

const server = createServer((req, res) => {
  oidc.handle(req, res).catch(() => res.destroy())
})
await sessions.start()
await oidc.start()
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', async () => {
  await oidc.sweep()
  process.send?.({ swept: true })
})
process.on('disconnect', () => process.exit(0))
