/** Where the provider is, for whoever connects an app by hand; the discovery document says the same. */
import { env } from '../base/env'
import { ROUTES } from './provider'

export interface Endpoints {
  issuer: string
  discovery: string
  authorization: string
  token: string
  userinfo: string
  jwks: string
  endSession: string
  introspection: string
  pushedRequests: string
  device: string
}

export function endpoints(): Endpoints {
  const { issuer } = env()
  const at = (route: keyof typeof ROUTES) => issuer + ROUTES[route]
  return {
    issuer,
    discovery: `${issuer}/.well-known/openid-configuration`,
    authorization: at('authorization'),
    token: at('token'),
    userinfo: at('userinfo'),
    jwks: at('jwks'),
    endSession: at('end_session'),
    introspection: at('introspection'),
    pushedRequests: at('pushed_authorization_request'),
    device: at('device_authorization'),
  }
}
