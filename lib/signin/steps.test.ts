import { describe, expect, it } from 'vitest'
import { nextStep } from './steps'

const proof = (method: string) => ({ method, amr: [], at: 1 })

describe('nextStep, as a truth table', () => {
  const sets = [[], ['password'], ['address'], ['email_code'], ['password', 'address']] as const
  const statuses = [null, 'pending', 'active'] as const
  const rows = [false, true].flatMap((signingUp) =>
    [false, true].flatMap((codeSent) =>
      statuses.flatMap((status) => sets.map((methods) => ({ signingUp, codeSent, status, methods }))),
    ),
  )
  const step = ({ methods, ...facts }: (typeof rows)[number]) =>
    nextStep({ ...facts, proofs: methods.map(proof) })

  it('a session needs a first proof of a known person and a proven address: every other row asks for more', () => {
    for (const row of rows) {
      const proven = (method: string) => (row.methods as readonly string[]).includes(method)
      const person = proven('password') || proven('email_code')
      const address = row.status === 'active' || proven('address') || proven('email_code')
      const complete = row.signingUp ? proven('address') : person && row.status !== null && address
      expect(step(row) === 'done', JSON.stringify(row)).toBe(complete)
    }
  })

  it('a_proven_address_alone_signs_nobody_in', () => {
    expect(
      nextStep({ proofs: [proof('address')], codeSent: false, signingUp: false, status: 'active' }),
    ).toBe('identify')
  })

  it('a pending account proves its address before anything else', () => {
    expect(
      nextStep({ proofs: [proof('password')], codeSent: false, signingUp: false, status: 'pending' }),
    ).toBe('verify_email')
  })

  it('somebody new says their name before an account is made', () => {
    expect(nextStep({ proofs: [proof('email_code')], codeSent: false, signingUp: false, status: null })).toBe(
      'details',
    )
  })

  it('proofs_without_a_person_lead_back_to_the_start', () => {
    expect(nextStep({ proofs: [proof('password')], codeSent: false, signingUp: false, status: null })).toBe(
      'identify',
    )
  })
})
