/** What a provider says about itself is fetched from where the operator said, in full or not at all. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { provider } from '../testing/provider'
import { forgetMetadata, getJson, metadataOf, ProviderDown } from './metadata'
import { claimAt } from './shapes'

const [honest, other] = [provider(), provider()]
beforeAll(() => Promise.all([honest.start(), other.start()]))
afterAll(() => Promise.all([honest.stop(), other.stop()]))
afterEach(() => {
  for (const one of [honest, other]) {
    one.calls.length = 0
    one.reply(() => ({ status: 200, body: {} }))
  }
  forgetMetadata()
})

const document = (issuer: string, more: object = {}) => ({
  issuer,
  authorization_endpoint: `${issuer}/auth`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  ...more,
})
const ask = () => metadataOf(`${honest.url()}/.well-known/openid-configuration`, honest.url())

describe('discovery', () => {
  test('metadata_redirect_is_not_followed_anywhere', async () => {
    // What stands there would be believed: it names the right issuer.
    other.reply(() => ({ status: 200, body: document(honest.url()) }))
    for (const status of [301, 302, 303, 307, 308]) {
      honest.reply(() => ({ status, headers: { location: `${other.url()}/metadata` } }))
      await expect(ask(), String(status)).rejects.toThrow(ProviderDown)
    }
    expect(honest.calls).toHaveLength(5)
    expect(other.calls).toEqual([])
  })

  test('token_shown_to_a_provider_s_api_does_not_travel_on_by_a_redirect', async () => {
    honest.reply(() => ({ status: 302, headers: { location: `${other.url()}/user/emails` } }))
    const asked = getJson(`${honest.url()}/user/emails`, { authorization: 'Bearer a-token' })
    await expect(asked).rejects.toThrow(ProviderDown)
    expect(other.calls).toEqual([])
  })

  test('endless_metadata_is_given_up', async () => {
    honest.reply(() => ({ status: 200, body: document(honest.url(), { filler: 'x'.repeat(200_000) }) }))
    expect((await ask()).issuer).toBe(honest.url())
    forgetMetadata()
    honest.reply(() => ({ status: 200, body: document(honest.url(), { filler: 'x'.repeat(300_000) }) }))
    await expect(ask()).rejects.toThrow(ProviderDown)
  })

  test('endpoints_in_the_clear_are_refused_but_on_this_machine', async () => {
    for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint']) {
      const body = document(honest.url(), { [name]: 'http://idp.example/x' })
      honest.reply(() => ({ status: 200, body }))
      await expect(ask(), name).rejects.toThrow(ProviderDown)
    }
  })
})

test('a_claim_that_nobody_sent_is_none: a path leads through what the provider said alone', () => {
  const claims = JSON.parse('{"data":{"id":"7"},"list":["a"],"__proto__":{"role":"admin"}}')
  expect(claimAt(claims, 'data.id')).toBe('7')
  for (const path of [
    'constructor',
    'constructor.name',
    'data.constructor.name',
    'data.__proto__',
    'list.length.constructor',
    'data.id.length',
  ])
    expect(claimAt(claims, path), path).toBeUndefined()
})
