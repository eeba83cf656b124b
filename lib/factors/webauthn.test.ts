/** The published examples of WebAuthn Level 3 (section 16), each with its registration and its sign-in. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { decodeAttestationObject, parseAuthenticatorData } from '@simplewebauthn/server/helpers'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../base/secrets'
import { useStores } from '../testing'
import { providerOf } from './aaguids'
import { bytesOf, judgeAssertion, judgeCreation, readAssertion, readCreation } from './webauthn'

interface Vector {
  name: string
  registration: {
    challenge: string
    credential_id: string
    clientDataJSON: string
    attestationObject: string
  }
  authentication: { challenge: string; clientDataJSON: string; authenticatorData: string; signature: string }
}

const file = path.join(import.meta.dirname, '../testing/vectors/webauthn-l3.json')
const published: { origin: string; vectors: Vector[] } = JSON.parse(readFileSync(file, 'utf8'))

useStores({ GATEHOUSE_URL: published.origin })

const base64url = (hex: string) => Buffer.from(hex, 'hex').toString('base64url')
const credential = (vector: Vector) => {
  const id = base64url(vector.registration.credential_id)
  return { id, rawId: id, type: 'public-key' }
}

async function registered(vector: Vector, presence = true) {
  const { challenge, clientDataJSON, attestationObject } = vector.registration
  const response = {
    clientDataJSON: base64url(clientDataJSON),
    attestationObject: base64url(attestationObject),
  }
  const answer = readCreation({ ...credential(vector), response })
  if (!answer) throw new Error('not read')
  const challengeHash = sha256(base64url(challenge))
  return await judgeCreation(answer, { challengeHash, presence, verification: false })
}

async function signedIn(vector: Vector, signature = vector.authentication.signature) {
  const { challenge, clientDataJSON, authenticatorData } = vector.authentication
  const answer = readAssertion({
    ...credential(vector),
    response: {
      clientDataJSON: base64url(clientDataJSON),
      authenticatorData: base64url(authenticatorData),
      signature: base64url(signature),
    },
  })
  const attested = decodeAttestationObject(bytesOf(base64url(vector.registration.attestationObject)))
  const { credentialPublicKey: publicKey } = parseAuthenticatorData(attested.get('authData'))
  if (!answer || !publicKey) throw new Error('not read')
  const challengeHash = sha256(base64url(challenge))
  return await judgeAssertion(answer, { challengeHash, publicKey, verification: false })
}

/** In frames of other origins, which we refuse; and a curve that we never ask for. */
const REFUSED_SIGN_INS = ['none-es256-crossOrigin', 'none-es256-topOrigin', 'packed-ed448']
/** Without a certificate. All others bring an attestation, though none was asked for. */
const TAKEN = ['none-es256', 'packed-self-es256', 'none-es256-long-credential-id']

describe('the examples of the specification', () => {
  test('are all here', () => {
    expect(published.vectors).toHaveLength(15)
  })

  test.each(published.vectors.map((vector) => [vector.name, vector] as const))('%s', async (name, vector) => {
    const made = await registered(vector)
    expect(made !== null).toBe(TAKEN.includes(name))
    if (made) expect(made).toMatchObject({ algorithm: -7, counter: 0 })
    const signed = await signedIn(vector)
    expect(signed !== null).toBe(!REFUSED_SIGN_INS.includes(name))
    const { signature } = vector.authentication
    const last = (Number.parseInt(signature.slice(-2), 16) ^ 1).toString(16).padStart(2, '0')
    expect(await signedIn(vector, signature.slice(0, -2) + last)).toBeNull()
  })
})

describe('who keeps a passkey', () => {
  test.each([
    ['fbfc3007-154e-4ecc-8c0b-6e020557d7bd', 'iCloud Keychain', 'manager'],
    ['EA9B8D66-4D01-1D21-3CE4-B6B48CB575D4', 'Google Password Manager', 'manager'],
    ['08987058-cadc-4b81-b6e1-30de50dcbe96', 'Windows Hello', 'computer'],
    ['2fc0579f-8113-47ea-b116-bb5a8db9202a', 'YubiKey 5 NFC', 'key'],
  ])('%s is %s', (aaguid, name, icon) => {
    expect(providerOf(aaguid)).toEqual({ name, icon })
  })

  test.each(['00000000-0000-0000-0000-000000000000', 'constructor', '', null])(
    '%s is nobody we know',
    (aaguid) => {
      expect(providerOf(aaguid)).toBeNull()
    },
  )
})
