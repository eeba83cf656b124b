/** The Redis that a portal embeds where the machine has none, as a process of its own on a given port. */
import { createRedisCommandExecutor, RedisServerState, Resp2Server } from 'js-redis-server/core'

const executor = createRedisCommandExecutor()
const { server } = new Resp2Server({
  server: new RedisServerState({}),
  executor,
  logger: { error: () => {} },
})
server.listen(Number(process.argv[2]), '127.0.0.1')
