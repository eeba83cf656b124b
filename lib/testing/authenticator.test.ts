import {
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import { describe, expect, test } from 'vitest'
import { type Algorithm, Authenticator, CeremonyError, EDDSA, ES256, RS256 } from './authenticator'

const ORIGIN = 'http://localhost:3000'

const asked = () =>
  generateRegistrationOptions({ rpName: 'Test', rpID: 'localhost', userName: 'ada@example.com' })

describe('the software authenticator', () => {
  test.each<[string, Algorithm]>([
    ['ES256', ES256],
    ['EdDSA', EDDSA],
    ['RS256', RS256],
  ])('is believed by an independent verifier: %s', async (_, alg) => {
    const phone = new Authenticator('synced', { alg })
    const options = await asked()
    const made = await verifyRegistrationResponse({
      response: phone.create(options),
      expectedChallenge: options.challenge,
      expectedOrigin: ORIGIN,
      expectedRPID: 'localhost',
    })
    if (!made.verified) throw new Error('not verified')
    expect(made.registrationInfo).toMatchObject({ credentialDeviceType: 'multiDevice', userVerified: true })
    const response = phone.get({ challenge: 'aGVsbG8', rpId: 'localhost' })
    const used = await verifyAuthenticationResponse({
      response,
      expectedChallenge: 'aGVsbG8',
      expectedOrigin: ORIGIN,
      expectedRPID: 'localhost',
      credential: made.registrationInfo.credential,
    })
    expect(used.verified).toBe(true)
    expect(response.response.userHandle).toBe(options.user.id)
  })

  test('does as a browser does with what it may not', async () => {
    const key = new Authenticator('key')
    const options = await asked()
    const { id } = key.create(options)
    expect(() => key.create({ ...options, excludeCredentials: [{ id, type: 'public-key' }] })).toThrow(
      CeremonyError,
    )
    // Not discoverable, and no way to verify who touches it.
    expect(() => key.get({ challenge: 'YQ', rpId: 'localhost' })).toThrow('no credential fits')
    const allowCredentials = [{ id, type: 'public-key' as const }]
    expect(() => key.get({ challenge: 'YQ', rpId: 'example.org', allowCredentials })).toThrow(
      'no credential fits',
    )
    expect(() =>
      key.get({ challenge: 'YQ', rpId: 'localhost', allowCredentials, userVerification: 'required' }),
    ).toThrow('cannot verify')
  })
})
