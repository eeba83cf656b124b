import { describe, expect, it } from 'vitest'
import type { SecondFactorSettings, SecondMethod, SignInMethod } from '../base/env'
import { acrOf, type Proof } from '../sessions'
import {
  type EnrollmentAsked,
  enrollmentAsked,
  type Facts,
  mayPutOff,
  nextStep,
  type Offer,
  type Policy,
  type Standing,
  secondAsked,
  twoProven,
  twoStepOn,
} from './steps'

const AMR: Record<string, string[]> = {
  password: ['pwd'],
  email_code: ['email'],
  sms_code: ['sms'],
  passkey: ['hwk', 'user'],
  security_key: ['hwk', 'user'],
  totp: ['otp'],
  backup_code: ['otp'],
  oauth: ['fed'],
}
const proof = (method: string, credential?: string): Proof => ({
  method,
  amr: AMR[method] ?? [],
  at: 1,
  ...(credential && { credential }),
})
const verifiedPasskey: Proof = { ...proof('passkey', 'a'), amr: ['swk', 'user', 'mfa'] }

const STRONG: SecondMethod[] = ['totp', 'passkey', 'security_key', 'backup_code']
const policy = (second: Partial<SecondFactorSettings> = {}, signInMethods?: SignInMethod[]): Policy => ({
  secondFactor: {
    policy: 'optional',
    roles: [],
    from: null,
    methods: STRONG,
    trustedDays: 30,
    unusual: 'notice',
    ...second,
  },
  signInMethods: signInMethods ?? ['password', 'email_code', 'sms_code', 'passkey'],
  at: 1000,
})
const somebody = (enrolled: Partial<Standing['enrolled']> = {}, more: Partial<Standing> = {}): Standing => ({
  enrolled: { password: true, totp: 0, passkeys: 0, securityKeys: 0, backupCodes: 0, ...enrolled },
  roles: ['user'],
  passwordByMail: false,
  reach: { email: 'ada@example.com', phone: '+4915112345678' },
  guest: false,
  trusted: false,
  ...more,
})
const facts = (more: Partial<Facts> = {}, wants: Partial<Facts['wants']> = {}): Facts => ({
  proofs: [proof('password')],
  codeSent: false,
  signingUp: false,
  status: 'active',
  person: somebody(),
  ...more,
  wants: {
    level: null,
    essential: false,
    reauth: false,
    passkey: null,
    postponed: false,
    codesToSave: false,
    ...wants,
  },
})
const offers = (f: Facts, p = policy()): Offer[] => secondAsked(f, p)?.offers ?? []

describe('nextStep, as a truth table', () => {
  const sets = [
    [],
    ['password'],
    ['address'],
    ['email_code'],
    ['oauth'],
    ['password', 'address'],
    ['oauth', 'address'],
  ] as const
  const statuses = [null, 'pending', 'active'] as const
  const rows = [false, true].flatMap((signingUp) =>
    [false, true].flatMap((codeSent) =>
      statuses.flatMap((status) => sets.map((methods) => ({ signingUp, codeSent, status, methods }))),
    ),
  )
  const step = ({ methods, ...row }: (typeof rows)[number]) =>
    nextStep(facts({ ...row, proofs: methods.map((method) => proof(method)) }), policy())

  it('a session needs a first proof of a known person and a proven address: every other row asks for more', () => {
    for (const row of rows) {
      const proven = (method: string) => (row.methods as readonly string[]).includes(method)
      const person = proven('password') || proven('email_code') || proven('oauth')
      const address = row.status === 'active' || proven('address') || proven('email_code')
      const complete = !row.signingUp && person && row.status !== null && address
      expect(step(row) === 'done', JSON.stringify(row)).toBe(complete)
    }
  })

  it('a_proven_address_alone_signs_nobody_in', () => {
    expect(nextStep(facts({ proofs: [proof('address')] }), policy())).toBe('identify')
  })

  it('a_second_factor_alone_signs_nobody_in', () => {
    for (const method of ['totp', 'backup_code', 'security_key'])
      expect(nextStep(facts({ proofs: [proof(method, 'a')] }), policy()), method).toBe('identify')
  })

  it('a pending account proves its address before anything else', () => {
    expect(nextStep(facts({ status: 'pending' }), policy())).toBe('verify_email')
  })

  it('somebody new says their name before an account is made', () => {
    for (const method of ['email_code', 'oauth'])
      expect(nextStep(facts({ proofs: [proof(method)], status: null, person: null }), policy())).toBe(
        'details',
      )
  })

  it('proofs_without_a_person_lead_back_to_the_start', () => {
    expect(nextStep(facts({ status: null, person: null }), policy())).toBe('identify')
    expect(nextStep(facts({ person: null }), policy())).toBe('identify')
  })
})

describe('the second step', () => {
  const firsts = [
    proof('password'),
    proof('email_code'),
    proof('sms_code'),
    proof('oauth', 'account'),
    proof('passkey', 'a'),
    verifiedPasskey,
  ]
  const strong = [{ totp: 1 }, { passkeys: 1 }, { securityKeys: 1 }, { totp: 1, passkeys: 2, backupCodes: 3 }]

  it('is asked after every first proof that is one factor, as soon as a strong one is set up', () => {
    for (const first of firsts) {
      for (const enrolled of strong) {
        const asked = nextStep(facts({ proofs: [first], person: somebody(enrolled) }), policy())
        expect(asked, `${first.method} ${JSON.stringify(enrolled)}`).toBe(
          first === verifiedPasskey ? 'done' : 'second',
        )
      }
    }
  })

  it('backup codes alone do not switch it on', () => {
    const person = somebody({ backupCodes: 10 })
    expect(twoStepOn(person, policy())).toBe(false)
    expect(nextStep(facts({ person }), policy())).toBe('done')
  })

  it('a_mailbox_is_no_second_factor_beside_an_account_elsewhere', () => {
    const all = policy({ methods: [...STRONG, 'email_code', 'sms_code'] })
    const person = somebody({ totp: 1, backupCodes: 3 })
    const proofs = [proof('oauth', 'account')]
    expect(offers(facts({ proofs, person }), all)).toEqual(['totp', 'sms_code', 'backup_code'])
    expect(twoProven([...proofs, proof('email_code')], all)).toBe(false)
    expect(twoProven([proof('email_code'), ...proofs], all)).toBe(false)
    expect(twoProven([...proofs, proof('totp', 't')], all)).toBe(true)
  })

  it('somebody who came by a provider is offered no passkey, and none who must have a factor is spared one', () => {
    const f = facts({ proofs: [proof('oauth', 'account')] }, { passkey: 'offer' })
    expect(enrollmentAsked(f, policy())).toBeNull()
    expect(nextStep(f, policy({ policy: 'required' }))).toBe('enroll')
  })

  it('no_factor_is_both_first_and_second', () => {
    const all = policy({ methods: [...STRONG, 'email_code', 'sms_code'] })
    const person = somebody({ totp: 1, backupCodes: 1 })
    expect(offers(facts({ proofs: [proof('email_code')], person }), all)).not.toContain('email_code')
    expect(offers(facts({ proofs: [proof('sms_code')], person }), all)).not.toContain('sms_code')
    expect(offers(facts({ person }), all)).not.toContain('password')
    const twice = (method: string, credential?: string) =>
      twoProven([proof(method, credential), proof(method, credential)], all)
    for (const method of Object.keys(AMR)) expect(twice(method, 'a'), method).toBe(false)
    expect(twoProven([proof('passkey', 'a'), proof('security_key', 'a')], all)).toBe(false)
    expect(twoProven([proof('email_code'), proof('address')], all)).toBe(false)
  })

  it('two_ways_in_are_no_two_factors_unless_the_operator_says_so', () => {
    const pairs = [proof('password'), proof('email_code')]
    expect(twoProven(pairs, policy())).toBe(false)
    expect(twoProven(pairs, policy({ methods: [...STRONG, 'email_code'] }))).toBe(true)
  })

  it('after a key that verified nobody: something known, an app, a code kept, or one that does', () => {
    const person = somebody({ totp: 1, passkeys: 1, securityKeys: 1, backupCodes: 2 })
    const asked = secondAsked(facts({ proofs: [proof('passkey', 'a')], person }), policy())
    expect(asked).toMatchObject({
      offers: ['passkey', 'totp', 'password', 'backup_code'],
      verifiedOnly: true,
    })
  })

  it('what_is_switched_off_is_neither_offered_nor_counted', () => {
    const person = somebody({ totp: 1, securityKeys: 1, backupCodes: 3 })
    expect(offers(facts({ person }), policy({ methods: ['security_key'] }))).toEqual(['security_key'])
    expect(twoStepOn(somebody({ totp: 1 }), policy({ methods: ['passkey'] }))).toBe(false)
    const noPasswords = policy({}, ['email_code', 'passkey'])
    expect(
      offers(facts({ proofs: [proof('passkey', 'a')], person: somebody({ passkeys: 1 }) }), noPasswords),
    ).toEqual(['passkey'])
  })

  it('a_mailbox_is_one_factor_also_by_way_of_a_password_chosen_by_mail', () => {
    const all = policy({ methods: [...STRONG, 'email_code', 'sms_code'] })
    const person = somebody({ totp: 1 }, { passwordByMail: true })
    expect(offers(facts({ person }), all)).toEqual(['totp', 'sms_code'])
    expect(offers(facts({ proofs: [proof('sms_code')], person }), all)).toContain('email_code')
  })

  it('a trusted browser is spared it, but not before something is set up', () => {
    const person = somebody({ totp: 1 }, { trusted: true })
    expect(nextStep(facts({ person }, { passkey: 'offer' }), policy())).toBe('done')
    const onlyKeys = policy({}, ['passkey'])
    expect(nextStep(facts({ proofs: [proof('email_code')], person }), onlyKeys)).toBe('second')
    const holder = somebody({ passkeys: 1 }, { trusted: true })
    expect(nextStep(facts({ proofs: [proof('email_code')], person: holder }), onlyKeys)).toBe('second')
  })

  it('an_unusual_sign_in_is_asked_for_it_in_a_trusted_browser_too', () => {
    const wary = policy({ unusual: 'second_factor' })
    const person = somebody({ totp: 1 }, { trusted: true, unusual: ['new_country'] })
    expect(secondAsked(facts({ person }), wary)).toMatchObject({ offers: ['totp'], why: 'unusual' })
    // Where it is asked for anyway, that is why.
    expect(secondAsked(facts({ person: { ...person, trusted: false } }), wary)?.why).toBe('enrolled')
    expect(nextStep(facts({ person, proofs: [proof('password'), proof('totp', 't')] }), wary)).toBe('done')
    expect(nextStep(facts({ person }), policy())).toBe('done')
    expect(nextStep(facts({ person: { ...person, unusual: [] } }), wary)).toBe('done')
  })

  it('an_unusual_sign_in_asks_whoever_has_no_second_factor_for_another_thing_they_have', () => {
    const wary = (methods: SecondMethod[] = STRONG, ways?: SignInMethod[]) =>
      policy({ unusual: 'second_factor', methods }, ways)
    const person = somebody({}, { unusual: ['impossible_travel', 'many_failures'] })
    const rows: [Parameters<typeof proof>[0], Partial<Standing>, Policy, Offer[]][] = [
      ['password', {}, wary(), ['email_code']],
      ['password', { passwordByMail: true }, wary(), ['email_code']],
      ['password', {}, wary([...STRONG, 'sms_code']), ['sms_code', 'email_code']],
      ['password', { reach: { email: null, phone: null } }, wary(), []],
      ['email_code', {}, wary(), ['password']],
      ['email_code', {}, wary(STRONG, ['email_code', 'passkey']), []],
      ['sms_code', {}, wary(), ['password', 'email_code']],
      ['oauth', {}, wary(), ['password', 'email_code']],
      ['oauth', { enrolled: { ...person.enrolled, password: false } }, wary(), ['email_code']],
      ['oauth', { reach: { email: null, phone: null } }, wary(STRONG, ['email_code']), []],
      [
        'email_code',
        { enrolled: { ...person.enrolled, password: false, backupCodes: 1 } },
        wary(),
        ['backup_code'],
      ],
    ]
    for (const [first, more, p, expected] of rows) {
      const f = facts({ proofs: [proof(first)], person: { ...person, ...more } })
      expect(offers(f, p), first).toEqual(expected)
      expect(nextStep(f, p), first).toBe(expected.length > 0 ? 'second' : 'done')
      for (const second of expected) {
        const both = facts({ ...f, proofs: [proof(first), proof(second)] })
        expect(nextStep(both, p), `${first}, ${second}`).toBe('done')
      }
    }
    // One thing shown twice is one, an address that was proven is none; proving again is not signing in.
    const twice = (method: string) => facts({ proofs: [proof('password'), proof(method)], person })
    expect(nextStep(twice('password'), wary())).toBe('second')
    expect(nextStep(twice('address'), wary())).toBe('second')
    expect(nextStep(facts({ person }, { reauth: true }), wary())).toBe('done')
    expect(nextStep(facts({ person, proofs: [] }), wary())).toBe('identify')
  })

  it('a trusted browser is spared it, and nothing else', () => {
    const person = somebody({ totp: 1 }, { trusted: true })
    expect(nextStep(facts({ person }), policy())).toBe('done')
    expect(nextStep(facts({ person, proofs: [] }), policy())).toBe('identify')
  })

  it('is never a dead end: whoever it is asked of has something to answer it with', () => {
    const some = [0, 1]
    for (const totp of some)
      for (const passkeys of some)
        for (const securityKeys of some)
          for (const first of firsts)
            for (const methods of [STRONG, ['totp'], ['passkey'], ['security_key']] as SecondMethod[][]) {
              // Somebody without any passkey does not come by one.
              if (first.method === 'passkey' && !passkeys) continue
              const person = somebody({ totp, passkeys, securityKeys })
              const f = facts({ proofs: [first], person })
              const asked = nextStep(f, policy({ methods }))
              if (asked === 'second') expect(offers(f, policy({ methods })).length).toBeGreaterThan(0)
            }
  })
})

describe('a level that an app asks for', () => {
  const wanted = { level: 'aal2' } as const

  it('is asked for where the person can reach it, a trusted browser or not', () => {
    const person = somebody({ totp: 1 }, { trusted: true })
    expect(nextStep(facts({ person }, wanted), policy())).toBe('second')
    const both = [proof('password'), proof('totp', 't')]
    expect(nextStep(facts({ person, proofs: both }, wanted), policy())).toBe('done')
  })

  it('two_proofs_by_mail_or_held_alone_are_not_the_level', () => {
    const person = somebody({ totp: 1 })
    const held = [proof('sms_code'), proof('totp', 't')]
    expect(acrOf(held)).toBe('aal1')
    expect(nextStep(facts({ person, proofs: held }), policy())).toBe('done')
    expect(offers(facts({ person, proofs: held }, wanted))).toEqual(['password'])
  })

  it('goes on with the truth when nothing the person has would reach it', () => {
    const person = somebody({ password: false })
    expect(nextStep(facts({ proofs: [proof('email_code')], person }, wanted), policy())).toBe('done')
  })

  it('is set up for where the app takes no less', () => {
    const f = facts({}, { ...wanted, essential: true })
    expect(nextStep(f, policy())).toBe('enroll')
    expect(enrollmentAsked(f, policy())).toMatchObject({ required: true, until: null, why: 'app' })
  })

  it('is set up for by what leads there alone, also beside factors that do not', () => {
    const essential = { ...wanted, essential: true }
    const mailed = facts({ person: somebody({ password: false }), proofs: [proof('email_code')] }, essential)
    expect(enrollmentAsked(mailed, policy())?.methods).toEqual(['passkey'])
    const proofs = [proof('email_code'), proof('totp', 't')]
    const held = facts({ person: somebody({ password: false, totp: 1 }), proofs }, essential)
    expect(nextStep(held, policy())).toBe('enroll')
    expect(enrollmentAsked(held, policy())).toMatchObject({
      required: true,
      why: 'app',
      methods: ['passkey'],
    })
    const made = facts({ ...held, proofs: [...proofs, verifiedPasskey] }, essential)
    expect(nextStep(made, policy())).toBe('done')
    // Where the operator allows nothing that leads there, the app is told the truth.
    expect(nextStep(held, policy({ methods: ['totp'] }, ['email_code']))).toBe('done')
  })
})

describe('setting something up', () => {
  const asked = (f: Facts, p: Policy) => enrollmentAsked(f, p) as EnrollmentAsked

  it('is asked by policy, and by role whatever the policy says', () => {
    expect(nextStep(facts(), policy({ policy: 'required' }))).toBe('enroll')
    const admin = somebody({}, { roles: ['user', 'admin'] })
    expect(nextStep(facts({ person: admin }), policy({ roles: ['admin'] }))).toBe('enroll')
    expect(nextStep(facts(), policy({ roles: ['admin'] }))).toBe('done')
  })

  it('that_is_required_cannot_be_put_off_once_its_date_has_come', () => {
    const later = policy({ policy: 'required', from: 2000 })
    expect(mayPutOff(asked(facts(), later))).toBe(true)
    expect(nextStep(facts({}, { postponed: true }), later)).toBe('done')
    const now = policy({ policy: 'required', from: 1000 })
    expect(mayPutOff(asked(facts(), now))).toBe(false)
    expect(nextStep(facts({}, { postponed: true }), now)).toBe('enroll')
  })

  it('comes_after_the_second_step_never_instead_of_it', () => {
    const onlyKeys = policy({}, ['passkey'])
    const person = somebody({ totp: 1 })
    expect(nextStep(facts({ proofs: [proof('email_code')], person }), onlyKeys)).toBe('second')
    const both = [proof('email_code'), proof('totp', 't')]
    expect(nextStep(facts({ proofs: both, person }), onlyKeys)).toBe('enroll')
  })

  it('where_passkeys_are_the_only_way_a_code_by_mail_and_an_app_take_nobody_past_theirs', () => {
    const onlyKeys = policy({ methods: [...STRONG, 'sms_code'] }, ['passkey'])
    const person = somebody({ totp: 1, passkeys: 1, securityKeys: 1, backupCodes: 3 })
    const mailed = facts({ proofs: [proof('email_code')], person })
    expect(offers(mailed, onlyKeys)).toEqual(['passkey', 'backup_code'])
    const none = facts({ proofs: [proof('email_code')], person: somebody({ totp: 1 }) })
    expect(offers(none, onlyKeys)).toEqual(['totp', 'sms_code'])
  })

  it('where passkeys are the only way, whoever has none makes one', () => {
    const f = facts({ proofs: [proof('email_code')], person: somebody({ password: false }) })
    expect(enrollmentAsked(f, policy({}, ['passkey']))).toMatchObject({
      required: true,
      methods: ['passkey'],
      wanted: 'passkey',
    })
  })

  it('is offered once, not to whoever has a passkey, and not when proving again', () => {
    const offer = { passkey: 'offer' } as const
    expect(nextStep(facts({}, offer), policy())).toBe('enroll')
    expect(nextStep(facts({}, { ...offer, postponed: true }), policy())).toBe('done')
    expect(nextStep(facts({}, { ...offer, reauth: true }), policy())).toBe('done')
    const person = somebody({ passkeys: 1 })
    expect(nextStep(facts({ person, proofs: [verifiedPasskey] }, offer), policy())).toBe('done')
  })

  it('ends with the codes that are to be written down', () => {
    const both = [proof('password'), proof('totp', 't')]
    const f = facts({ proofs: both, person: somebody({ totp: 1, backupCodes: 10 }) }, { codesToSave: true })
    expect(nextStep(f, policy())).toBe('backup_codes')
  })
})
