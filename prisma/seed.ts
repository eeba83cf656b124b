/**
 * The demonstration's people and app. Runs at every start of a portal that shows the demo, and changes
 * nothing that is there already.
 */
import { inTx } from '@/lib/base/db'
import { env } from '@/lib/base/env'
import * as factors from '@/lib/factors'
import { type DemoFacts, demoFacts, saveDemoFacts } from '@/lib/host'
import * as oidc from '@/lib/oidc'
import * as users from '@/lib/users'

/** @returns the passwords and the app's credentials, as kept in the data folder */
export async function seedDemo(): Promise<DemoFacts> {
  const { dataDir, demoPort } = env()
  const facts = demoFacts(dataDir)
  // Kept first: a kill between here and the rows leaves a password nobody uses, not a row nobody can enter.
  saveDemoFacts(dataDir, facts)
  for (const person of facts.users) {
    if (await users.find({ email: person.email })) continue
    const hash = await factors.password.hash(person.password)
    if (!hash.ok) throw new Error('the demo passwords could not be hashed')
    const [firstName, lastName] = person.name.split(' ')
    await inTx(async (tx) => {
      const made = await users.register(tx, {
        email: person.email,
        verified: true,
        firstName,
        lastName,
        locale: 'en',
        roles: person.admin ? ['admin'] : [],
      })
      if (made.ok) await factors.password.set(tx, made.value.id, hash.value)
    })
  }
  facts.client = await demoClient(facts.client, demoPort)
  saveDemoFacts(dataDir, facts)
  return facts
}

/** The demo app as registered for the port it has now. */
async function demoClient(known: DemoFacts['client'], port: number): Promise<DemoFacts['client']> {
  const origin = `http://localhost:${port}`
  const redirectUri = `${origin}/callback`
  const registered = known ? await oidc.clients.get(known.clientId) : null
  if (registered?.redirectUris.includes(redirectUri)) return known
  if (registered) await oidc.clients.remove(registered.clientId, { actor: 'seed' })
  const made = await oidc.clients.add(
    {
      name: 'Demo app',
      redirectUris: [redirectUri],
      postLogoutRedirectUris: [`${origin}/`],
      backchannelLogoutUri: `${origin}/backchannel-logout`,
    },
    { actor: 'seed' },
  )
  if (!made.ok) throw new Error(`the demo app could not be registered: ${made.refusal.values?.message}`)
  return made.value
}
