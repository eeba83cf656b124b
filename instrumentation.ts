/**
 * Next's hooks. Under `npm start` the host has registered the rooms already; under plain `next start`
 * they are loaded here. Errors of pages go to the structured log with their request's id.
 */
import type { Instrumentation } from 'next'

export async function register(): Promise<void> {
  // As a block, so that the build for other runtimes leaves it out.
  if (process.env.NEXT_RUNTIME === 'nodejs' && process.env.NEXT_PHASE !== 'phase-production-build') {
    const holder = globalThis as { [key: symbol]: unknown }
    if (holder[Symbol.for('gatehouse.rooms')]) return
    const compiled = `file://${process.cwd()}/dist/rooms.mjs`
    const { registerRooms } = await import(/* turbopackIgnore: true */ compiled)
    registerRooms()
  }
}

export const onRequestError: Instrumentation.onRequestError = async (error, request) => {
  const { log, requests } = await import('@/lib')
  if (requests.isMalformedCall(request.method, request.headers)) {
    return log.log().info({ path: request.path.split('?')[0] }, 'malformed call of an action')
  }
  log.log().error({ err: error, path: request.path.split('?')[0], method: request.method }, 'page failed')
}
