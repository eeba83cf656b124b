/**
 * Who may do what: every server action and every route handler of the build, called by everybody who
 * may not (AZ1, AZ2, AZ3, CSRF1). A new action or route without a row here fails.
 */
import { expect, test } from '@playwright/test'
import { CHOICES, FIELDS } from '../components/admin/client-fields'
import { builtRoutes, type Call, callByForm, callByScript, type Fields, serverActions } from './actions'
import { gatehouse } from './command'
import { type Database, openDatabase } from './database'
import { newPerson } from './people'
import { png } from './pictures'
import { launchPortal, type Portal } from './portal'
import { type Answer, Visitor } from './visitor'
import { becomeGuest, type Cast, foreignOrigins, STRANGERS, type Stranger, setScene } from './world'

// One portal and one database for all, so that "nothing changed" can be said of the whole of it.
test.describe.configure({ mode: 'default' })

let portal: Portal
let cast: Cast
let database: Database
/** Somebody without an account, whom the demo app takes. */
let guest: Visitor
/** The demo app. */
let demoId = ''
/** The row of the victim's address. */
let emailId = ''

const findEmailId = async (): Promise<string> =>
  (await database.query<{ id: string }>('SELECT id FROM emails WHERE user_id = $1', [cast.userId]))[0]?.id ??
  ''

test.beforeAll(async () => {
  test.setTimeout(180_000)
  portal = await launchPortal({ GUESTS: 'on' })
  cast = await setScene(portal)
  database = await openDatabase(portal)
  emailId = await findEmailId()
  const [demo] = JSON.parse(await gatehouse(['client', 'list', '--json'], { data: portal.data }))
  demoId = demo.client_id
  await gatehouse(['client', 'update', demoId, '--guests'], { data: portal.data })
  guest = await becomeGuest(portal)
  await database.settled()
})

/** Everybody else: whoever has no business here, and a guest, who is signed in and has none either. */
const OTHERS = [...STRANGERS, 'guest'] as const
const as = (other: Stranger | 'guest'): Visitor => (other === 'guest' ? guest.copy() : cast.as(other))

test('the guest is one', async () => {
  const answer = await guest.get('/api/session?guests=allow')
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.body)).toMatchObject({ roles: ['anonymous'], acr: '0', amr: [], method: 'guest' })
  // To whoever did not ask for guests they are nobody.
  expect((await guest.session()).status).toBe(401)
  expect((await guest.get('/api/auth/session')).body).toBe('{}')
})

test.afterAll(async () => {
  await database?.close()
  await portal?.stop()
})

interface ActionRow {
  /** That has the action in it: sent to another one it is not found, and refuses nothing. */
  page: string | (() => string)
  fields: (cast: Cast) => Fields
  /** A plain form's action takes no earlier state. */
  plain?: boolean
  /** Changes a cookie of whoever calls it and nothing else: nobody needs to be signed in. */
  cookieOnly?: string
}

const ACTIONS: Record<string, ActionRow> = {
  '(account)/account/emails/actions.ts#addEmail': {
    page: '/account/emails',
    fields: () => [['email', newPerson().email]],
  },
  '(account)/account/emails/actions.ts#verifyEmail': {
    page: '/account/emails',
    fields: () => [
      ['id', emailId],
      ['code', '000000'],
    ],
  },
  '(account)/account/emails/actions.ts#resendCode': {
    page: '/account/emails',
    fields: () => [['id', emailId]],
  },
  '(account)/account/emails/actions.ts#makePrimary': {
    page: '/account/emails',
    fields: () => [['id', emailId]],
  },
  '(account)/account/emails/actions.ts#removeEmail': {
    page: '/account/emails',
    fields: () => [['id', emailId]],
  },
  '(account)/account/phones/actions.ts#addPhone': {
    page: '/account/phones',
    fields: () => [
      ['number', '0151 12345678'],
      ['country', 'DE'],
    ],
  },
  '(account)/account/phones/actions.ts#verifyPhone': {
    page: '/account/phones',
    fields: () => [
      ['id', emailId],
      ['code', '000000'],
    ],
  },
  '(account)/account/phones/actions.ts#resendCode': {
    page: '/account/phones',
    fields: () => [['id', emailId]],
  },
  '(account)/account/phones/actions.ts#makePrimary': {
    page: '/account/phones',
    fields: () => [['id', emailId]],
  },
  '(account)/account/phones/actions.ts#removePhone': {
    page: '/account/phones',
    fields: () => [['id', emailId]],
  },
  '(account)/account/phones/actions.ts#chooseTexts': {
    page: '/account/phones',
    fields: () => [['texts', 'on']],
  },
  // Too short to be taken, so that the scene stays as it is for whoever comes next.
  '(account)/account/security/actions.ts#changePassword': {
    page: '/account/security',
    fields: () => [['password', 'short']],
  },
  '(account)/account/security/actions.ts#passkeyOptions': {
    page: '/account/security',
    fields: () => [['kind', 'passkey']],
  },
  '(account)/account/security/actions.ts#addPasskey': {
    page: '/account/security',
    fields: () => [['response', '{}']],
  },
  '(account)/account/security/actions.ts#renameFactor': {
    page: '/account/security',
    fields: () => [
      ['kind', 'totp'],
      ['id', emailId],
      ['name', 'Mine'],
    ],
  },
  '(account)/account/security/actions.ts#removeFactor': {
    page: '/account/security',
    fields: () => [
      ['kind', 'passkey'],
      ['id', emailId],
    ],
  },
  '(account)/account/security/actions.ts#forgetDevice': {
    page: '/account/security',
    fields: () => [['id', emailId]],
  },
  '(account)/account/security/authenticator/actions.ts#beginAuthenticator': {
    page: '/account/security/authenticator',
    fields: () => [],
  },
  '(account)/account/security/authenticator/actions.ts#confirmAuthenticator': {
    page: '/account/security/authenticator',
    fields: () => [
      ['code', '000000'],
      ['name', 'Mine'],
    ],
  },
  '(account)/account/security/codes/actions.ts#makeCodes': {
    page: '/account/security/codes',
    fields: () => [],
  },
  '(account)/account/security/recovery/actions.ts#rehearse': {
    page: '/account/security/recovery',
    fields: () => [
      ['kind', 'email'],
      ['id', emailId],
    ],
  },
  '(account)/account/security/recovery/actions.ts#confirmRehearsal': {
    page: '/account/security/recovery',
    fields: () => [
      ['kind', 'email'],
      ['id', emailId],
      ['code', '000000'],
    ],
  },
  '(account)/account/security/recovery/actions.ts#inviteContact': {
    page: '/account/security/recovery',
    fields: () => [['email', newPerson().email]],
  },
  '(account)/account/security/recovery/actions.ts#withdrawInvitation': {
    page: '/account/security/recovery',
    fields: () => [['id', emailId]],
  },
  '(account)/account/security/recovery/actions.ts#removeContact': {
    page: '/account/security/recovery',
    fields: ({ userId }) => [['id', userId]],
  },
  '(account)/account/vouch/actions.ts#acceptInvitation': {
    page: '/account/vouch',
    fields: () => [['token', 'x'.repeat(43)]],
  },
  '(account)/account/vouch/actions.ts#vouch': {
    page: '/account/vouch',
    fields: () => [
      ['requestId', emailId],
      ['code', '000000'],
    ],
  },
  '(account)/account/vouch/actions.ts#stepDown': {
    page: '/account/vouch',
    fields: ({ userId }) => [['id', userId]],
  },
  // The portal of this file knows no other provider, and nobody's account is linked: there is nothing to change.
  '(account)/account/linked/actions.ts#linkAccount': {
    page: '/account/linked',
    fields: () => [['provider', 'google']],
  },
  '(account)/account/linked/actions.ts#unlinkAccount': {
    page: '/account/linked',
    fields: () => [['id', emailId]],
  },
  // The victim allowed no app anything: whoever asks removes nothing of anyone's.
  '(account)/account/apps/actions.ts#removeAccess': {
    page: '/account/apps',
    fields: () => [['app', 'demo-app']],
  },
  // Too long a name to be taken, so that the scene stays as it is for whoever comes next.
  '(account)/account/tokens/actions.ts#makeToken': {
    page: '/account/tokens',
    fields: () => [
      ['name', 'x'.repeat(150)],
      ['days', '30'],
    ],
  },
  '(account)/account/tokens/actions.ts#endToken': {
    page: '/account/tokens',
    fields: () => [['id', emailId]],
  },
  // No address of theirs, so that the scene stays as it is for whoever comes next.
  '(account)/account/data/actions.ts#closeAccount': {
    page: '/account/data',
    fields: () => [['address', 'nobody@example.com']],
  },
  '(account)/account/devices/actions.ts#signOutOne': {
    page: '/account/devices',
    fields: ({ otherSid }) => [['id', otherSid]],
  },
  '(account)/account/devices/actions.ts#signOutDevice': {
    page: '/account/devices',
    fields: ({ otherDevice }) => [['id', otherDevice]],
  },
  '(account)/account/devices/actions.ts#renameDevice': {
    page: '/account/devices',
    fields: ({ otherDevice }) => [
      ['id', otherDevice],
      ['name', 'Mallory’s'],
    ],
  },
  '(account)/account/devices/actions.ts#forgetDevice': {
    page: '/account/devices',
    fields: ({ otherDevice }) => [['id', otherDevice]],
  },
  '(account)/account/devices/actions.ts#signOutOthers': { page: '/account/devices', fields: () => [] },
  // The demo app is there to be harmed: whoever is no operator does nothing to it.
  'admin/apps/actions.ts#registerApp': {
    page: '/admin/register',
    fields: () => [
      ['name', 'Mallory’s'],
      ['kind', 'web'],
      ['redirectUris', 'https://mallory.example.com/'],
      ['clientId', ''],
    ],
  },
  'admin/apps/actions.ts#saveApp': {
    page: () => `/admin/apps/${demoId}/edit`,
    fields: () => [
      ['app', demoId],
      // Every field that the form has, so that it is refused for who asks and not for what is missing.
      ...FIELDS.filter(([, kind]) => kind !== 'yes' && kind !== 'grants')
        .map(([name, kind]): [string, string] => [
          name,
          kind === 'choice' ? CHOICES[name as keyof typeof CHOICES][0] : '',
        ])
        .filter(([name]) => !['name', 'redirectUris', 'authMethod'].includes(name)),
      ['name', 'Mallory’s'],
      ['redirectUris', 'https://mallory.example.com/'],
      ['authMethod', 'none'],
      ['authorizationCode', 'on'],
      ['pkce', 'on'],
    ],
  },
  'admin/apps/actions.ts#saveClaims': {
    page: () => `/admin/apps/${demoId}/claims`,
    fields: () => [
      ['app', demoId],
      ['claims', '[{ "name": "mallory", "always": true, "value": "yes" }]'],
    ],
  },
  'admin/apps/actions.ts#previewClaims': {
    page: () => `/admin/apps/${demoId}/claims`,
    fields: ({ userId }) => [
      ['app', demoId],
      ['person', userId],
    ],
  },
  'admin/apps/actions.ts#rotateSecret': {
    page: () => `/admin/apps/${demoId}`,
    fields: () => [
      ['app', demoId],
      ['hours', '0'],
    ],
  },
  'admin/apps/actions.ts#switchApp': {
    page: () => `/admin/apps/${demoId}`,
    fields: () => [
      ['app', demoId],
      ['to', 'off'],
    ],
  },
  'admin/apps/actions.ts#removeApp': {
    page: () => `/admin/apps/${demoId}`,
    fields: () => [
      ['app', demoId],
      ['name', 'Demo app'],
    ],
  },
  '(account)/account/profile/actions.ts#saveProfile': {
    page: '/account/profile',
    fields: () => [
      ['firstName', 'Mallory'],
      ['lastName', 'Was Here'],
      ['displayName', 'Mallory'],
      ['locale', 'en'],
      ['timezone', 'Europe/Paris'],
    ],
  },
  '(account)/account/profile/actions.ts#savePicture': {
    page: '/account/profile',
    fields: () => [['avatar', { filename: 'me.png', bytes: png(64, 64) }]],
  },
  '(account)/account/profile/actions.ts#removePicture': { page: '/account/profile', fields: () => [] },
  '(account)/account/profile/actions.ts#chooseTheme': {
    page: '/account/profile',
    fields: () => [['theme', 'dark']],
    plain: true,
    cookieOnly: 'gatehouse.theme',
  },
}

/** Names that a body must not be able to say for its sender (LNK5, better-auth CVE-2025-61928). */
const smuggled = ({ userId, sid, person }: Cast): Fields =>
  [
    ['userId', userId],
    ['user_id', userId],
    ['sub', userId],
    ['id', userId],
    ['session', sid],
    ['email', person.email],
    ['emailVerified', 'true'],
    ['role', 'admin'],
    ['roles', 'admin'],
    ['status', 'active'],
    ['createdAt', '2000-01-01'],
  ].map(([name = '', value = '']) => [name, value])

const callOf = (name: string, row: ActionRow, extra: Fields = []): Call => {
  const own = row.fields(cast)
  // A repeated field counts as absent: what the row itself says must arrive.
  const more = extra.filter(([field]) => !own.some(([said]) => said === field))
  return {
    id: serverActions().get(name) ?? '',
    page: typeof row.page === 'string' ? row.page : row.page(),
    stateful: !row.plain,
    fields: [...own, ...more],
  }
}

const setsSession = (answer: Answer): boolean =>
  (answer.headers['set-cookie'] ?? []).some((line) => /^(__Host-)?gatehouse\.session=[^;]/.test(line))

/** Does it, and says whether the whole database is as it was. */
async function changesNothing(what: string, attack: () => Promise<void>): Promise<void> {
  const before = await database.snapshot()
  await attack()
  expect(await database.snapshot(), what).toEqual(before)
}

/** An answer that refuses, and tells nothing of the victim. */
function tellsNothing(what: string, answer: Answer): void {
  expect(answer.status, what).toBeLessThan(500)
  expect(answer.body, what).not.toContain('"ok":true')
  expect(answer.body, what).not.toContain(cast.person.email)
  expect(setsSession(answer), what).toBe(false)
}

/** For whoever comes next. */
async function setSceneAgain(): Promise<void> {
  cast = await setScene(portal)
  emailId = await findEmailId()
  await database.settled()
}

test('every server action has a row', () => {
  expect([...serverActions().keys()].sort()).toEqual(Object.keys(ACTIONS).sort())
})

for (const [name, row] of Object.entries(ACTIONS)) {
  // The folder tells two actions of one name apart.
  const short = name.replace(/^.*\/(\w+)\/actions\.ts#/, '$1.')

  test(`${short}_by_anyone_else_changes_nothing_of_anyones`, async () => {
    for (const stranger of OTHERS) {
      for (const [way, call] of [
        ['script', callByScript],
        ['form', callByForm],
      ] as const) {
        const what = `${short} by ${stranger}, by ${way}`
        const ofOperators = name.startsWith('admin/')
        if ((stranger === 'another user' && !ofOperators) || row.cookieOnly) {
          // What is their own they may change; whatever names the victim stays.
          const victims = [cast.userId, cast.person.email, cast.sid, cast.otherSid, cast.otherDevice]
          const before = await database.snapshot(victims)
          const answer = await call(as(stranger), callOf(name, row, smuggled(cast)))
          // What they owe for a change of their own is sent after the answer.
          await database.settled()
          expect(await database.snapshot(victims), what).toEqual(before)
          expect(answer.status, what).toBeLessThan(500)
          expect(answer.body, what).not.toContain(cast.person.email)
        } else {
          await changesNothing(what, async () =>
            tellsNothing(what, await call(as(stranger), callOf(name, row, smuggled(cast)))),
          )
        }
      }
    }
    expect((await cast.victim.session()).status).toBe(200)
  })

  test(`${short}_from_a_foreign_origin_is_refused`, async () => {
    await changesNothing(short, async () => {
      for (const [from, headers] of Object.entries(foreignOrigins(portal))) {
        for (const call of [callByScript, callByForm]) {
          const what = `${short} from ${from}`
          const answer = await call(cast.victim.copy(), callOf(name, row), headers)
          tellsNothing(what, answer)
          expect(answer.status, what).toBe(403)
          expect(answer.headers['set-cookie'], what).toBeUndefined()
        }
      }
    })
  })
}

test('each action does what it says for the person themselves', async () => {
  const victims = [cast.userId]
  const order = [
    'saveProfile',
    'savePicture',
    'removePicture',
    'renameDevice',
    'signOutOne',
    'chooseTheme',
    'signOutOthers',
  ]
  for (const short of order) {
    const [name, row] = Object.entries(ACTIONS).find(([key]) => key.endsWith(`#${short}`)) ?? []
    if (!name || !row) throw new Error(short)
    if (short === 'signOutOthers') await new Visitor(portal).signIn(cast.person)
    const before = await database.snapshot(victims)
    const answer = await callByScript(cast.victim, callOf(name, row))
    expect(answer.status, short).toBe(200)
    const after = await database.snapshot(victims)
    if (row.cookieOnly) expect(cast.victim.cookies.has(row.cookieOnly)).toBe(true)
    else expect(after, short).not.toEqual(before)
  }
  expect((await cast.victim.session()).status).toBe(200)
  await setSceneAgain()
})

/** The actions of operators, each with what it does to an app of this test's own, in an order that they can be done in. */
const OF_OPERATORS = [
  'registerApp',
  'rotateSecret',
  'saveClaims',
  'previewClaims',
  'saveApp',
  'switchApp',
  'removeApp',
]

test('admin_actions_need_a_proof_of_just_now_and_the_second_factor_that_there_is', async () => {
  const names = Object.keys(ACTIONS).filter((name) => name.startsWith('admin/'))
  expect(names.map((name) => name.split('#')[1]).sort()).toEqual([...OF_OPERATORS].sort())
  const app = 'stepped-up'
  const made = [
    'client',
    'add',
    '--id',
    app,
    '--name',
    'Stepped up',
    '--redirect-uri',
    'https://x.example.com/',
  ]
  await gatehouse(made, { data: portal.data })
  const [person, operator] = [newPerson(), new Visitor(portal)]
  await operator.signUp(person)
  await gatehouse(['user', 'roles', person.email, '--set', 'admin'], { data: portal.data })
  const { userId = '', sid = '' } = await operator.session()
  const { Redis } = await import('ioredis')
  const redis = new Redis(portal.stores().redisUrl)
  /** The session as it is to be, and everybody who remembers it otherwise told. */
  const standing = async (acr: string, minutesAgo: number) => {
    await database.query(
      `UPDATE sessions SET acr = $2, auth_at = now() - make_interval(mins => $3),
         created_at = now() - make_interval(mins => $3) WHERE id = $1`,
      [sid, acr, minutesAgo],
    )
    await expect
      .poll(async () => {
        await redis.publish('user:updated', JSON.stringify({ userId }))
        const now = JSON.parse((await operator.get('/api/session')).body) as { acr: string; authTime: number }
        return [now.acr, Math.round((Date.now() / 1000 - now.authTime) / 60)]
      })
      .toEqual([acr, minutesAgo])
  }
  const call = (short: string) => {
    const name = names.find((one) => one.endsWith(`#${short}`)) ?? ''
    const row = ACTIONS[name]
    if (!row) throw new Error(short)
    // Said of the app of this test; by the name that it has by then.
    const own = row
      .fields(cast)
      .map(([field, value]): Fields[number] => [
        field,
        field === 'app' ? app : value === 'Demo app' ? 'Mallory’s' : value,
      ])
    return { ...callOf(name, row), fields: own }
  }
  const refused = async (why: string) => {
    await database.settled()
    for (const short of OF_OPERATORS) {
      for (const way of [callByScript, callByForm]) {
        await changesNothing(`${short}, ${why}`, async () => {
          const answer = await way(operator, call(short))
          expect(answer.body, `${short}, ${why}`).not.toContain('"ok":true')
          // Where script asks, the answer says the way to the proof, and that it is to be one of two factors.
          if (way === callByScript) expect(answer.body, `${short}, ${why}`).toContain('reauth=1&level=aal2')
        })
      }
    }
  }
  try {
    await standing('aal1', 20)
    await refused('proven long ago')
    await database.query(
      `INSERT INTO totps (user_id, name, secret_sealed) VALUES ($1, 'An app', 'never opened here')`,
      [userId],
    )
    await standing('aal1', 0)
    await refused('by one factor of two that there are')
    await standing('aal2', 20)
    await refused('by two factors, long ago')
    await standing('aal2', 0)
    for (const short of OF_OPERATORS) {
      const before = await database.snapshot()
      const answer = await callByScript(operator, call(short))
      expect([200, 303], short).toContain(answer.status)
      if (short === 'previewClaims') expect(answer.body).toContain(cast.userId)
      else expect(await database.snapshot(), short).not.toEqual(before)
    }
  } finally {
    redis.disconnect()
    await setSceneAgain()
  }
})

interface HandlerRow {
  method: 'GET' | 'POST'
  path?: (cast: Cast) => string
  fields?: (cast: Cast) => Record<string, string>
}

const HANDLERS: Record<string, HandlerRow> = {
  // Whoever asks gets their own; a stranger is sent to sign in.
  '/account/activity/export': { method: 'GET', path: () => '/account/activity/export?format=json' },
  '/account/data/export': { method: 'GET', path: () => '/account/data/export' },
  '/consent/submit': { method: 'POST', fields: ({ consent }) => ({ request: consent, decision: 'allow' }) },
  // What can be no code is not even a guess; what a session decides about is no field of a form.
  '/device/check': { method: 'POST', fields: () => ({ user_code: 'no code' }) },
  '/device/decide': { method: 'POST', fields: () => ({ decision: 'allow' }) },
  '/signin/continue': { method: 'POST', fields: ({ signUpFlow }) => ({ flow: signUpFlow }) },
  '/signin/code': {
    method: 'POST',
    fields: ({ signInFlow, person }) => ({ flow: signInFlow, email: person.email }),
  },
  '/signin/guest': { method: 'POST', fields: ({ signInFlow }) => ({ flow: signInFlow }) },
  '/signin/phone/submit': {
    method: 'POST',
    fields: ({ signInFlow }) => ({ flow: signInFlow, phone: '0151 12345678', country: 'DE' }),
  },
  '/signup/details/submit': {
    method: 'POST',
    fields: ({ signUpFlow }) => ({ flow: signUpFlow, firstName: 'Mallory' }),
  },
  // Keeps a language in the browser of whoever asks, and in their own profile.
  '/locale': { method: 'POST', fields: () => ({ locale: 'de' }) },
  '/signin/done': { method: 'GET', path: ({ signInFlow }) => `/signin/done?flow=${signInFlow}` },
  '/signin/password': {
    method: 'POST',
    fields: ({ signInFlow, person }) => ({
      flow: signInFlow,
      email: person.email,
      password: person.password,
    }),
  },
  '/signin/passkey/options': { method: 'POST', fields: ({ signInFlow }) => ({ flow: signInFlow }) },
  '/signin/passkey': { method: 'POST', fields: ({ signInFlow }) => ({ flow: signInFlow, response: '{}' }) },
  '/signin/with/[provider]': {
    method: 'POST',
    path: () => '/signin/with/google',
    fields: ({ signInFlow }) => ({ flow: signInFlow }),
  },
  '/signin/unlinked': { method: 'POST', fields: ({ signInFlow }) => ({ flow: signInFlow }) },
  '/signin/second/submit': {
    method: 'POST',
    fields: ({ signInFlow }) => ({ flow: signInFlow, method: 'totp', code: '000000' }),
  },
  '/signin/second/send': {
    method: 'POST',
    fields: ({ signInFlow }) => ({ flow: signInFlow, method: 'email_code' }),
  },
  '/signin/enroll/submit': {
    method: 'POST',
    fields: ({ signInFlow }) => ({ flow: signInFlow, method: 'totp', code: '000000', name: 'Mallory' }),
  },
  '/signin/enroll/later': { method: 'POST', fields: ({ signInFlow }) => ({ flow: signInFlow }) },
  '/signin/codes/submit': { method: 'POST', fields: ({ signInFlow }) => ({ flow: signInFlow }) },
  '/signin/start': { method: 'GET', path: ({ consent }) => `/signin/start?request=${consent}` },
  '/signout/submit': { method: 'POST', fields: ({ sid }) => ({ request: sid }) },
  '/signout/everywhere': { method: 'POST', fields: ({ userId }) => ({ userId }) },
  '/signout/with': { method: 'POST', fields: () => ({ provider: 'google' }) },
  '/signup/submit': {
    method: 'POST',
    fields: ({ signInFlow }) => ({ flow: signInFlow, ...newPerson() }),
  },
  // Whoever has the link of a mail may; these strangers have none.
  '/lockdown/submit': { method: 'POST', fields: () => ({ token: 'x'.repeat(43) }) },
  '/keep/submit': { method: 'POST', fields: () => ({ token: 'x'.repeat(43) }) },
  '/reset/submit': { method: 'POST', fields: () => ({ token: 'x'.repeat(43), password: 'short' }) },
  '/recover/finish/submit': { method: 'POST', fields: () => ({ token: 'x'.repeat(43), password: 'short' }) },
  '/recover/stop/submit': { method: 'POST', fields: () => ({ token: 'x'.repeat(43) }) },
  // Anybody may ask for anybody; what is no address leads to nothing at all.
  '/forgot/submit': { method: 'POST', fields: () => ({ email: 'no address' }) },
  '/recover/submit': { method: 'POST', fields: () => ({ email: 'no address' }) },
  '/undo/submit': { method: 'POST', fields: () => ({ token: 'x'.repeat(43) }) },
  '/verify/address/submit': { method: 'POST', fields: () => ({ id: emailId, code: '000000' }) },
  '/verify/resend': { method: 'POST', fields: ({ signUpFlow }) => ({ flow: signUpFlow }) },
  '/verify/submit': { method: 'POST', fields: ({ signUpFlow, code }) => ({ flow: signUpFlow, code }) },
  // What a provider may post is tried in federation.spec.ts; here is none that may.
  '/api/auth/callback/[provider]': {
    method: 'POST',
    path: () => '/api/auth/callback/google',
    fields: () => ({ state: 'x'.repeat(43), code: 'x' }),
  },
  '/api/auth/backchannel-logout/[provider]': {
    method: 'POST',
    path: () => '/api/auth/backchannel-logout/google',
    fields: () => ({ logout_token: 'x.y.z' }),
  },
  '/api/auth/[...nextauth]': {
    method: 'POST',
    path: () => '/api/auth/signout',
    fields: () => ({ csrfToken: 'x'.repeat(64), callbackUrl: '/' }),
  },
  '/avatars/[key]': { method: 'GET', path: ({ userId }) => `/avatars/${userId}` },
  '/dev/mailbox.json': {
    method: 'GET',
    path: ({ person }) => `/dev/mailbox.json?to=${encodeURIComponent(person.email)}`,
  },
  '/dev/mailbox/[id]/body': { method: 'GET', path: () => '/dev/mailbox/1/body' },
  '/icon.svg': { method: 'GET' },
}

const pathOf = (route: string, row: HandlerRow): string => row.path?.(cast) ?? route

test('every route handler has a row', () => {
  expect(builtRoutes().handlers.sort()).toEqual(Object.keys(HANDLERS).sort())
})

for (const [route, row] of Object.entries(HANDLERS)) {
  const extra = () =>
    Object.fromEntries(smuggled(cast).filter(([name]) => name !== 'email')) as Record<string, string>
  const send = (who: Visitor, headers: Record<string, string | undefined> = {}) =>
    row.method === 'GET'
      ? who.get(pathOf(route, row), headers)
      : who.post(pathOf(route, row), { ...extra(), ...row.fields?.(cast) }, headers)

  test(`${route} by strangers who know the victim's ids does nothing of theirs`, async () => {
    for (const stranger of OTHERS) {
      const what = `${route} by ${stranger}`
      const who = as(stranger)
      const signedIn = stranger === 'another user' || stranger === 'guest'
      if (['/signout/submit', '/signout/everywhere', '/locale'].includes(route) && signedIn) {
        // About one's own session and language: theirs may end or change, the victim's do not.
        const before = await database.snapshot([cast.userId])
        await send(who)
        expect(await database.snapshot([cast.userId]), what).toEqual(before)
        const after = (await who.get('/api/session?guests=allow')).status
        expect(after, what).toBe(route === '/locale' ? 200 : 401)
        if (stranger === 'guest' && after === 401) guest = await becomeGuest(portal)
      } else await changesNothing(what, async () => tellsNothing(what, await send(who)))
    }
    expect((await cast.victim.session()).status).toBe(200)
    expect((await cast.victim.get(`/consent?request=${cast.consent}`)).status).toBe(200)
  })

  if (row.method === 'POST') {
    test(`${route} from a foreign origin is refused with the victim's own cookies`, async () => {
      await changesNothing(route, async () => {
        for (const [from, headers] of Object.entries(foreignOrigins(portal))) {
          for (const browser of [cast.victim, cast.undecided]) {
            const what = `${route} from ${from}`
            const answer = await send(browser.copy(), headers)
            tellsNothing(what, answer)
            expect(answer.status, what).toBe(403)
            expect(answer.headers['set-cookie'], what).toBeUndefined()
          }
        }
      })
    })
  }
}

test('others_ids_lead_nowhere_on_any_page', async () => {
  const { consent, signInFlow, signUpFlow, code, sid, otherSid, otherDevice } = cast
  await changesNothing('pages', async () => {
    for (const stranger of OTHERS) {
      for (const path of [
        `/account/devices?confirm=${sid}`,
        `/account/devices?confirm=${otherSid}`,
        `/account/devices?confirm=${otherDevice}`,
        `/account/devices?before=${Date.now()}.${otherDevice}`,
        `/account/devices/${otherDevice}`,
        `/account/devices/${otherDevice}?confirm=${otherSid}`,
        `/account/devices/${otherDevice}?confirm=forget`,
        `/account/devices?ended=${otherSid}`,
        `/consent?request=${consent}`,
        `/no-entry?request=${consent}`,
        `/signin?flow=${signInFlow}`,
        `/signin/second?flow=${signInFlow}`,
        `/signin/enroll?flow=${signInFlow}&with=totp`,
        `/signin/codes?flow=${signInFlow}`,
        `/signup?flow=${signUpFlow}`,
        `/verify?flow=${signUpFlow}`,
        `/signout?request=${sid}`,
      ]) {
        const what = `${path} by ${stranger}`
        const answer = await as(stranger).get(path)
        tellsNothing(what, answer)
        expect(answer.body, path).not.toContain(`value="${sid}"`)
        expect(answer.body, path).not.toContain(`value="${otherSid}"`)
        expect(answer.body, path).not.toContain(`value="${otherDevice}"`)
        expect(answer.body, path).not.toContain('action="/consent/submit"')
      }
      // The link of the mail, with its code: it says the code, which its reader has, and confirms nothing.
      const link = await as(stranger).get(`/verify/link?flow=${signUpFlow}&code=${code}`)
      expect(link.body).not.toContain('action="/verify/submit"')
    }
  })
})

test('a_guest_sees_the_overview_and_no_other_page_of_the_console', async () => {
  const overview = await guest.get('/account')
  expect(overview.status).toBe(200)
  expect(overview.body).toContain('page=signup')
  const pages = builtRoutes().pages.filter((page) => page.startsWith('/account/') && !page.includes('['))
  expect(pages.length).toBeGreaterThan(8)
  for (const page of pages) {
    const answer = await guest.get(page)
    // Answered by a redirect, or by a page that begins with one where the frame was sent already.
    const led = answer.location || (/url=([^"]+)/.exec(answer.body)?.[1] ?? '')
    expect(led, page).toBe('/account')
  }
  expect((await guest.get('/account/activity/export?format=json')).location).toBe('/account')
  const passOn = await guest.get('/signin/start?to=/reports')
  expect(passOn.location).toMatch(/^\/signup\?flow=/)
})

test('what_a_form_does_not_ask_for_is_not_taken_from_it', async () => {
  const newcomer = newPerson()
  const visitor = new Visitor(portal)
  const flow = await visitor.begin('to=/account&page=signup')
  const extra = Object.fromEntries(smuggled(cast).filter(([name]) => name !== 'email') as [string, string][])
  await visitor.post('/signup/submit', { ...extra, flow, ...newcomer })
  const { latestMail } = await import('./mailbox')
  const code = (await latestMail(newcomer.email, 1, portal.url)).codes[0] ?? ''
  expect((await visitor.session()).status).toBe(401)
  await visitor.post('/verify/submit', { ...extra, flow, code })
  const made = await visitor.session()
  expect(made).toMatchObject({ status: 200, roles: ['user'] })
  expect(made.userId).not.toBe(cast.userId)

  const save = ACTIONS['(account)/account/profile/actions.ts#saveProfile']
  if (!save) throw new Error('no such action')
  const row = async () =>
    await database.query(
      `SELECT u.id, u.status, u.is_anonymous, u.default_role, u.session_version, u.created_at,
         (SELECT array_agg(ur.role_name) FROM user_roles ur WHERE ur.user_id = u.id) AS roles,
         (SELECT json_agg(json_build_array(e.address, e.verified_at, e.is_primary)) FROM emails e WHERE e.user_id = u.id) AS emails
       FROM users u WHERE u.id = $1`,
      [made.userId],
    )
  const before = await row()
  expect(before).toHaveLength(1)
  const name = '(account)/account/profile/actions.ts#saveProfile'
  const extraNames: Fields = [
    ...smuggled(cast),
    ['__proto__', 'x'],
    ['constructor', 'x'],
    ['isAnonymous', 'true'],
  ]
  const answer = await callByScript(visitor, callOf(name, save, extraNames))
  expect(answer.body).toContain('"ok":true')
  expect(await row()).toEqual(before)
})

test('get_and_head_requests_change_nothing', async () => {
  const { victim, undecided, consent, signInFlow, signUpFlow, code, sid, otherSid, otherDevice } = cast
  const routes = builtRoutes()
  const { pathname: authPath } = new URL(
    (await fetch(`${portal.demoUrl}/login`, { redirect: 'manual' })).headers.get('location') ?? '',
  )
  const authQuery = new URL(
    (await fetch(`${portal.demoUrl}/login`, { redirect: 'manual' })).headers.get('location') ?? '',
  ).search
  const paths = [
    ...routes.pages,
    ...Object.entries(HANDLERS).map(([route, row]) => pathOf(route, row)),
    ...[
      '',
      '/jwks',
      '/token',
      '/userinfo',
      '/introspection',
      '/revocation',
      '/par',
      '/logout',
      '/session/end',
    ].map((end) => `/oidc${end}`),
    ...['/api/session', '/healthz', '/readyz', '/favicon.ico', '/no/such/page'],
    ...[
      'session',
      'csrf',
      'providers',
      'signin',
      'signout',
      'error',
      'callback/credentials',
      'signin/google',
    ].map((end) => `/api/auth/${end}`),
    `${authPath}${authQuery}`,
    `${authPath}${authQuery}&prompt=none`,
    `/oidc/logout?client_id=x&post_logout_redirect_uri=${encodeURIComponent(portal.demoUrl)}`,
    `/account/devices?confirm=${otherDevice}`,
    `/account/devices/${otherDevice}?confirm=${otherSid}`,
    `/account/devices/${otherDevice}?confirm=forget`,
    '/account/devices?confirm=others',
    '/account/devices?confirm=all',
    `/consent?request=${consent}`,
    `/no-entry?request=${consent}`,
    `/consent/submit?request=${consent}&decision=allow`,
    `/signout?request=${sid}`,
    '/signout/submit?',
    `/signin/start?request=${consent}`,
    `/signin/done?flow=${signInFlow}`,
    `/signin/continue?flow=${signUpFlow}`,
    `/signin/passkey/options?flow=${signInFlow}`,
    `/signin/enroll?flow=${signInFlow}&with=totp`,
    `/verify/submit?flow=${signUpFlow}&code=${code}`,
    `/verify/resend?flow=${signUpFlow}`,
    `/verify/link?flow=${signUpFlow}&code=${code}`,
  ]
  const before = await database.snapshot()
  const headers = [{}, { rsc: '1' }, { rsc: '1', 'next-router-prefetch': '1' }, { purpose: 'prefetch' }]
  for (const path of paths) {
    for (const who of [victim.copy(), undecided.copy()]) {
      for (const extra of headers) {
        const answer = await who.get(path, extra)
        expect(answer.status, `GET ${path}`).toBeLessThan(500)
      }
      expect((await who.send('HEAD', path)).status, `HEAD ${path}`).toBeLessThan(500)
    }
  }
  expect(await database.snapshot()).toEqual(before)
  expect((await victim.session()).status).toBe(200)
  // The code was opened by everybody and is as good as before.
  expect((await undecided.post('/verify/submit', { flow: signUpFlow, code })).location).toBe('/account')
})
