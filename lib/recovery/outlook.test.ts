import { beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as recovery from './index'
import { type Inventory, type Item, losses } from './outlook'
import { browser, code, mailsTo, person } from './people.fixture'

const { sql } = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})

const password: Item = { kind: 'password' }
const mail: Item = { kind: 'email', id: 'a', label: 'a@example.com' }
const phone: Item = { kind: 'phone', id: 'p', label: '+49 1512 3456789' }
const apps: Item = { kind: 'apps', count: 1 }
const codes: Item = { kind: 'codes', count: 8 }
const passkeys: Item = { kind: 'passkeys', count: 1 }
const keys: Item = { kind: 'keys', count: 1 }

const linked: Item = { kind: 'linked', id: 'l', label: 'Acme' }

const RULES: Inventory['rules'] = {
  first: ['password', 'email_code', 'sms_code', 'passkey'],
  second: ['totp', 'passkey', 'security_key', 'backup_code'],
}
const kinds = (items: readonly Item[]) => items.map(({ kind }) => kind).join('+')

const told = (items: Item[], rest: Partial<Omit<Inventory, 'items'>> = {}) =>
  losses({ items, contacts: false, delayed: true, rules: RULES, ...rest }).map(
    ({ item, left, seconds, otherwise }) =>
      [item.kind, kinds(left) || '-', ...(seconds.length ? [`& ${kinds(seconds)}`] : []), otherwise].join(
        ' ',
      ),
  )

describe('what each loss would do', () => {
  it('names what is left, and the last resort when nothing is', () => {
    expect(told([password, mail])).toEqual(['password email in', 'email password in', 'everything - wait'])
    expect(told([mail])).toEqual(['email - wait', 'everything - wait'])
    expect(told([mail], { contacts: true })).toEqual(['email - contacts', 'everything - contacts'])
    expect(told([mail], { delayed: false })).toEqual(['email - nothing', 'everything - nothing'])
    expect(told([password, mail, phone])[2]).toBe('phone password+email in')
  })

  it('counts an account elsewhere as a way in, and a mailbox as nothing beside it', () => {
    expect(told([linked, mail])).toEqual(['linked email in', 'email linked in', 'everything - wait'])
    const rules = { ...RULES, second: [...RULES.second, 'email_code'] as const }
    expect(told([linked, mail, apps], { rules })).toEqual([
      'linked email & apps in',
      'email linked & apps in',
      'apps - wait',
      'everything - wait',
    ])
  })

  it('counts no first factor alone where a second is asked, and asks on when that one is lost', () => {
    expect(told([password, mail, apps])).toEqual([
      'password email & apps in',
      'email password & apps in',
      'apps - wait',
      'everything - wait',
    ])
    expect(told([password, apps, codes])).toEqual([
      'password - wait',
      'apps password & codes in',
      'codes password & apps in',
      'everything - wait',
    ])
    expect(told([password, keys, apps])).toContain('keys password & apps in')
  })

  it('counts a passkey as both factors, alone or beside another first one', () => {
    expect(told([password, mail, passkeys])).toEqual([
      'password email+passkeys & passkeys in',
      'email password+passkeys & passkeys in',
      'passkeys - wait',
      'everything - wait',
    ])
    expect(told([password, passkeys, codes])[1]).toBe('passkeys password & codes in')
    expect(told([passkeys, keys])).toEqual(['passkeys - wait', 'keys passkeys in', 'everything - wait'])
  })

  it('takes no mailbox and no phone twice, and nothing that is switched off', () => {
    const second = [...RULES.second, 'email_code', 'sms_code'] as const
    expect(told([mail, apps], { rules: { ...RULES, second } })).toContain('apps - wait')
    expect(told([password, mail, phone, apps], { rules: { ...RULES, second } })).toContain(
      'apps password+email+phone & email+phone in',
    )
    expect(told([password, mail], { rules: { ...RULES, first: ['password'] } })).toEqual([
      'password - wait',
      'email password in',
      'everything - wait',
    ])
    expect(told([password, apps], { rules: { ...RULES, second: ['security_key'] } })[1]).toBe(
      'apps password in',
    )
  })

  it('is read from what a person really has', async () => {
    const ada = await person()
    const seen = await recovery.outlook(ada.id)
    expect(seen.losses.map(({ item }) => item.kind)).toEqual(['password', 'email', 'everything'])
    expect(seen.rehearsals).toMatchObject([{ kind: 'email', label: ada.address, lastAt: null }])
    expect(seen).toMatchObject({ waitHours: 72, contacts: { counting: 0, needed: 2 } })
  })
})

describe('a rehearsal', () => {
  it('is noted when the code that was sent comes back, in the browser that asked', async () => {
    const ada = await person()
    const [home, elsewhere] = [await browser(ada.id), await browser(ada.id)]
    const [way] = (await recovery.outlook(ada.id)).rehearsals
    if (!way) throw new Error('no way')
    expect(code(await recovery.rehearse.begin(way, home))).toBe('ok')
    const sent = (await mailsTo(ada.address))[0]?.codes[0] ?? ''
    expect(code(await recovery.rehearse.confirm(way, sent, elsewhere))).toBe('code_wrong')
    expect(code(await recovery.rehearse.confirm(way, `${sent.slice(0, 3)} ${sent.slice(3)}`, home))).toBe(
      'ok',
    )
    expect((await recovery.outlook(ada.id)).rehearsals[0]?.lastAt).toBeInstanceOf(Date)
  })

  it('goes_to_no_address_of_somebody_else_and_to_none_unproven', async () => {
    const [ada, bob] = [await person(), await person()]
    const [theirs] = (await recovery.outlook(bob.id)).rehearsals
    const home = await browser(ada.id)
    expect(code(await recovery.rehearse.begin({ kind: 'email', id: theirs?.id ?? '' }, home))).toBe(
      'not_found',
    )
    const { rows } = await sql(`INSERT INTO emails (user_id, address) VALUES ($1, $2) RETURNING id::text`, [
      ada.id,
      `unproven.${ada.address}`,
    ])
    expect(code(await recovery.rehearse.begin({ kind: 'email', id: rows[0].id }, home))).toBe('not_found')
  })
})
