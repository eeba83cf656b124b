/** What every figure stands beside: Node's own HTTP server saying hello. */
import { createServer } from 'node:http'

const server = createServer((_req, res) => {
  res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 5 })
  res.end('hello')
})
server.keepAliveTimeout = 65_000
server.listen(0, '127.0.0.1', () => process.send({ origin: `http://127.0.0.1:${server.address().port}` }))
process.on('disconnect', () => process.exit())
