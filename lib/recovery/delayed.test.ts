import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as recovery from './index'
import {
  browser,
  code,
  mailsTo,
  NEW_PASSWORD,
  PASSWORD,
  type Person,
  person,
  tokenIn,
} from './people.fixture'

const stores = useStores({
  LIMIT_REQUESTS_BURST: '1000',
  LIMIT_REQUESTS_PER_MINUTE: '100000',
  RECOVERY_HOURS: '72',
})
const { sql } = stores

beforeAll(async () => {
  await audit.migrate()
  await sessions.start()
  return () => sessions.stop()
})

afterEach(() => setClock(null))

const HOUR = 3_600_000

/** Asks for a recovery and waits until it is begun (or not). */
async function ask(email: string): Promise<string> {
  const asked = await recovery.delayed.request({ email }, testCaller())
  if (!asked.ok) throw new Error(asked.refusal.code)
  await audit.drain()
  return asked.value.token
}

/** Makes the time of a person's recovery come. */
const ripen = (ada: Person) =>
  sql(`UPDATE recovery_requests SET ready_at = now() - interval '1 second' WHERE user_id = $1`, [ada.id])

const running = async (id: string) => {
  const user = await users.get(id)
  return user && recovery.running(user)
}
const finish = (token: string, removeFactors = false, password = NEW_PASSWORD) =>
  recovery.delayed.complete({ token, password, removeFactors }, testCaller())

describe('a delayed recovery', () => {
  it('waits, tells every address with a link that stops it, and then leads to a new password', async () => {
    const ada = await person()
    const second = `second.${ada.address}`
    await sql('INSERT INTO emails (user_id, address, verified_at) VALUES ($1, $2, now())', [ada.id, second])
    await sql('INSERT INTO emails (user_id, address) VALUES ($1, $2)', [ada.id, `unproven.${ada.address}`])
    const home = await browser(ada.id)
    const token = await ask(ada.address)
    for (const address of [ada.address, second]) {
      const [mail] = await mailsTo(address)
      expect(tokenIn(mail, '/recover/stop')).toMatch(/^[\w-]{43}$/)
    }
    expect(await mailsTo(`unproven.${ada.address}`)).toEqual([])
    expect(await recovery.delayed.view(token)).toMatchObject({ state: 'waiting', contactsNeeded: 2 })
    expect(await running(ada.id)).toMatchObject({ moot: false })
    expect(code(await finish(token))).toBe('recovery_over')

    await ripen(ada)
    expect(await recovery.delayed.view(token)).toMatchObject({ state: 'ready', email: ada.address })
    expect(await finish(token)).toEqual({ ok: true, value: { email: ada.address } })
    expect(await sessions.check(home.caller.cookies)).toBeNull()
    expect(await sessions.list(ada.id)).toEqual([])
    expect(await running(ada.id)).toBeNull()
    const [notice] = await mailsTo(second)
    expect(notice?.subject).toContain('recovered')
    const { items } = await audit.list(ada.id, { limit: 50 })
    const types = items.map(({ type }) => type)
    expect(types).toEqual(
      expect.arrayContaining(['recovery.requested', 'recovery.completed', 'password.changed']),
    )
  })

  it('completion_twice_at_once_sets_one_password', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    await ripen(ada)
    const results = await Promise.all([
      finish(token),
      finish(token, false, `${NEW_PASSWORD} too`),
      finish(token),
    ])
    expect(results.map(code).sort()).toEqual(['ok', 'recovery_over', 'recovery_over'])
    expect(code(await finish(token))).toBe('recovery_over')
  })

  it('veto_and_completion_at_once_exclude_each_other', async () => {
    for (let round = 0; round < 5; round++) {
      const ada = await person()
      const token = await ask(ada.address)
      const stop = tokenIn((await mailsTo(ada.address))[0], '/recover/stop')
      await ripen(ada)
      const [done, vetoed] = await Promise.all([finish(token), recovery.veto({ token: stop }, testCaller())])
      expect([done.ok, vetoed.ok].filter(Boolean)).toHaveLength(1)
      const { rows } = await sql(
        'SELECT vetoed_at IS NULL AS open, completed_at IS NULL AS unfinished FROM recovery_requests WHERE user_id = $1',
        [ada.id],
      )
      expect(rows).toEqual([{ open: done.ok, unfinished: vetoed.ok }])
    }
  })

  it('a veto from a notice stops it for good, once, and the asker sees no difference while it waits', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    const before = await recovery.delayed.view(token)
    const stop = tokenIn((await mailsTo(ada.address))[0], '/recover/stop')
    expect(await recovery.vetoView(stop)).toMatchObject({ state: 'running' })
    expect(code(await recovery.veto({ token: stop }, testCaller()))).toBe('ok')
    expect(await recovery.vetoView(stop)).toEqual({ state: 'stopped' })
    expect(code(await recovery.veto({ token: stop }, testCaller()))).toBe('recovery_over')
    expect(await recovery.delayed.view(token)).toEqual(before)
    await ripen(ada)
    expect(code(await finish(token))).toBe('recovery_over')
    expect((await mailsTo(ada.address))[0]?.subject).toContain('stopped')
  })

  it('a veto from a session stops it', async () => {
    const ada = await person()
    const { session, caller } = await browser(ada.id)
    const token = await ask(ada.address)
    expect(code(await recovery.veto({ userId: ada.id, sid: session.sid }, caller))).toBe('ok')
    await ripen(ada)
    expect(code(await finish(token))).toBe('recovery_over')
  })

  it('a_session_of_somebody_else_stops_nothing', async () => {
    const [ada, mallory] = [await person(), await person()]
    await ask(ada.address)
    const theirs = await browser(mallory.id)
    expect(code(await recovery.veto({ userId: mallory.id, sid: theirs.session.sid }, theirs.caller))).toBe(
      'recovery_over',
    )
    expect(await running(ada.id)).not.toBeNull()
  })

  it('recovery_of_a_user_who_signs_in_meanwhile_cannot_be_finished', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    await browser(ada.id)
    await ripen(ada)
    expect(await running(ada.id)).toMatchObject({ moot: true })
    expect(await recovery.delayed.view(token)).not.toMatchObject({ state: 'ready' })
    expect(code(await finish(token))).toBe('recovery_over')
  })

  it('recovery_of_a_user_who_signs_in_while_it_is_finished_is_over', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    await ripen(ada)
    let finishing: ReturnType<typeof finish> | undefined
    await inTx(async (tx) => {
      await users.lockAccount(tx, ada.id)
      finishing = finish(token)
      // It was found good, and the password is hashed: now it waits for its turn.
      await expect
        .poll(async () => {
          const { rows } = await sql(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`,
          )
          return rows.length
        })
        .toBe(1)
      await browser(ada.id)
    })
    expect(finishing && code(await finishing)).toBe('recovery_over')
    expect(await sessions.list(ada.id)).toHaveLength(1)
  })

  it('recovery_of_a_user_whose_password_was_chosen_anew_meanwhile_is_over', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    await recovery.forgot({ email: ada.address }, testCaller())
    const reset = tokenIn((await mailsTo(ada.address))[0], '/reset')
    expect(code(await recovery.reset({ token: reset, password: NEW_PASSWORD }, testCaller()))).toBe('ok')
    await ripen(ada)
    expect(code(await finish(token, false, PASSWORD))).toBe('recovery_over')
  })

  it('recovery_of_a_disabled_user_is_refused', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    await ripen(ada)
    await users.disable(ada.id, { reason: 'left', actor: 'operator' })
    expect(code(await finish(token))).toBe('recovery_over')
  })

  it('is over a week after its time came', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    await sql(
      `UPDATE recovery_requests SET ready_at = now() - interval '8 days', expires_at = now() - interval '1 day'
       WHERE user_id = $1`,
      [ada.id],
    )
    expect(code(await finish(token))).toBe('recovery_over')
    expect(await running(ada.id)).toBeNull()
  })

  it('removes second factors only when told that they are lost', async () => {
    for (const remove of [false, true]) {
      const ada = await person()
      await sql(`INSERT INTO totps (user_id, name, secret_sealed) VALUES ($1, 'phone', 'x')`, [ada.id])
      const token = await ask(ada.address)
      await ripen(ada)
      expect(await recovery.delayed.view(token)).toMatchObject({ enrolled: { totp: 1 } })
      expect(code(await finish(token, remove))).toBe('ok')
      const { rows } = await sql('SELECT count(*)::int AS n FROM totps WHERE user_id = $1', [ada.id])
      expect(rows[0].n).toBe(remove ? 0 : 1)
    }
  })
})

describe('asking for one', () => {
  it('tells_nothing_about_who_has_an_account', async () => {
    const ada = await person()
    const shape = async (email: string) => {
      const asked = await recovery.delayed.request({ email }, testCaller())
      if (!asked.ok) throw new Error(asked.refusal.code)
      await audit.drain()
      const view = await recovery.delayed.view(asked.value.token)
      return { ...view, code: 'code' in view && view.code.length, readyAt: 0 }
    }
    expect(await shape(ada.address)).toEqual(await shape(`nobody.${ada.address}`))
    expect(await mailsTo(`nobody.${ada.address}`)).toEqual([])
  })

  it('a_stranger_who_asks_keeps_the_owner_from_nothing_and_one_finish_ends_the_others', async () => {
    const ada = await person()
    const strangers = await ask(ada.address)
    const owners = await ask(ada.address)
    await ripen(ada)
    expect(code(await finish(owners))).toBe('ok')
    expect(code(await finish(strangers))).toBe('recovery_over')
  })

  /** Ten requests of a stranger, as fast as one mailbox lets them. */
  async function flood(ada: Person): Promise<void> {
    const from = Date.now()
    for (const hour of [0, 1]) {
      setClock(() => from + hour * (HOUR + 1000))
      for (let i = 0; i < 5; i++) await ask(ada.address)
    }
    setClock(() => from + 2 * (HOUR + 1000))
  }
  const starts = async (ada: Person) =>
    (await mailsTo(ada.address)).filter((mail) => tokenIn(mail, '/recover/stop'))

  it('flood_of_recoveries_by_a_stranger_keeps_the_owner_from_nothing', async () => {
    const ada = await person()
    await flood(ada)
    const owners = await ask(ada.address)
    expect(await starts(ada)).toHaveLength(10)
    const at = Date.now() + 80 * HOUR
    setClock(() => at)
    expect(await recovery.delayed.view(owners)).toMatchObject({ state: 'ready' })
    expect(code(await finish(owners))).toBe('ok')
  })

  it('recovery_that_nobody_is_told_of_is_stopped_with_those_that_were_and_never_begins_without', async () => {
    const ada = await person()
    await flood(ada)
    const beside = await ask(ada.address)
    const stop = tokenIn((await starts(ada))[0], '/recover/stop')
    expect(code(await recovery.veto({ token: stop }, testCaller()))).toBe('ok')
    const alone = await ask(ada.address)
    await ripen(ada)
    for (const token of [beside, alone]) expect(code(await finish(token))).toBe('recovery_over')
    const { rows } = await sql('SELECT count(*)::int AS n FROM recovery_requests WHERE user_id = $1', [
      ada.id,
    ])
    expect(rows[0].n).toBe(11)
    const { items } = await audit.list(ada.id, { limit: 50, types: ['recovery.refused'] })
    expect(items.map(({ data }) => data.why)).toEqual(['too_many'])
  })

  it('a_lost_link_is_no_loss: who asks again waits from then, not until the first request is over', async () => {
    const ada = await person()
    await ask(ada.address)
    const at = Date.now() + 24 * HOUR
    setClock(() => at)
    const again = await ask(ada.address)
    setClock(() => at + 72 * HOUR + 1000)
    expect(await recovery.delayed.view(again)).toMatchObject({ state: 'ready' })
    expect(code(await finish(again))).toBe('ok')
  })

  it('one veto stops all that run, by a notice or by a session', async () => {
    for (const way of ['notice', 'session']) {
      const ada = await person()
      const tokens = [await ask(ada.address), await ask(ada.address), await ask(ada.address)]
      const notices = (await mailsTo(ada.address)).map((mail) => tokenIn(mail, '/recover/stop'))
      if (way === 'notice') await recovery.veto({ token: notices[1] ?? '' }, testCaller())
      else await recovery.veto({ userId: ada.id, sid: (await browser(ada.id)).session.sid }, testCaller())
      await sql('UPDATE users SET last_login_at = NULL WHERE id = $1', [ada.id])
      await ripen(ada)
      for (const token of tokens) expect(code(await finish(token))).toBe('recovery_over')
      expect(await running(ada.id)).toBeNull()
    }
  })

  it('one delivery made twice begins one', async () => {
    const ada = await person()
    await recovery.delayed.request({ email: ada.address }, testCaller())
    await audit.drain()
    await sql(`UPDATE deliveries SET delivered_at = NULL WHERE kind = 'recovery_request'`)
    await audit.drain({ now: true })
    const { rows } = await sql('SELECT count(*)::int AS n FROM recovery_requests WHERE user_id = $1', [
      ada.id,
    ])
    expect(rows[0].n).toBe(1)
  })

  it('a_stranger_cannot_ring_the_owner_every_day_and_every_request_is_told_by_mail', async () => {
    const ada = await person()
    const number = '+4915112349000'
    await sql('INSERT INTO phones (user_id, number, is_primary, verified_at) VALUES ($1, $2, true, now())', [
      ada.id,
      number,
    ])
    for (let i = 0; i < 5; i++) await ask(ada.address)
    const started = (await mailsTo(ada.address)).filter((mail) => tokenIn(mail, '/recover/stop'))
    expect(started).toHaveLength(5)
    expect(await mailsTo(number)).toHaveLength(3)
  })

  it('a_bent_link_is_no_link', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    await ripen(ada)
    const [secret = '', at = ''] = token.split('.')
    const early = (Number.parseInt(at, 36) - 72 * 3_600_000).toString(36)
    for (const bent of ['', secret, `${secret}.${early}`, `${secret}.zzzzzzzzz`, `x${token}`, `${token}x`]) {
      expect((await recovery.delayed.view(bent)).state).not.toBe('ready')
      expect(code(await finish(bent))).toBe('recovery_over')
    }
  })

  it('the link is kept nowhere as it is', async () => {
    const ada = await person()
    const token = await ask(ada.address)
    for (const table of ['recovery_requests', 'events', 'deliveries']) {
      const { rows } = await sql(`SELECT row_to_json(t)::text AS row FROM ${table} t`)
      expect(rows.some(({ row }) => row.includes(token.slice(0, 43)))).toBe(false)
    }
  })
})

describe('the reminder before the waiting time ends', () => {
  const reminders = async (to: string) =>
    (await mailsTo(to)).filter(({ subject }) => subject.startsWith('Last chance'))
  /** Lets the queue look at everything owed, at a moment after now. */
  const lookAt = async (ms: number) => {
    const at = Date.now() + ms
    setClock(() => at)
    await audit.drain({ now: true })
  }

  it('comes a day before, once, to every address and number, with a link that stops it', async () => {
    const ada = await person()
    const number = '+4915112349001'
    const second = `second.${ada.address}`
    await sql('INSERT INTO emails (user_id, address, verified_at) VALUES ($1, $2, now())', [ada.id, second])
    await sql('INSERT INTO phones (user_id, number, is_primary, verified_at) VALUES ($1, $2, true, now())', [
      ada.id,
      number,
    ])
    const token = await ask(ada.address)
    await lookAt(47 * HOUR)
    expect(await reminders(ada.address)).toEqual([])
    await lookAt(48 * HOUR + 60_000)
    await lookAt(49 * HOUR)
    for (const to of [ada.address, second]) expect(await reminders(to)).toHaveLength(1)
    const texts = await mailsTo(number)
    expect(texts).toHaveLength(2)
    expect(texts[0]?.text).toContain('24 hours')
    const stop = tokenIn((await reminders(second))[0], '/recover/stop')
    expect(code(await recovery.veto({ token: stop }, testCaller()))).toBe('ok')
    await lookAt(73 * HOUR)
    expect(code(await finish(token))).toBe('recovery_over')
  })

  it('is not sent once it was stopped, finished, or its person signed in', async () => {
    const [vetoed, done, back] = [await person(), await person(), await person()]
    for (const { address } of [vetoed, done, back]) await ask(address)
    const stop = tokenIn((await mailsTo(vetoed.address))[0], '/recover/stop')
    await recovery.veto({ token: stop }, testCaller())
    await sql(`UPDATE recovery_requests SET completed_at = now() WHERE user_id = $1`, [done.id])
    await browser(back.id)
    await lookAt(60 * HOUR)
    for (const { address } of [vetoed, done, back]) expect(await reminders(address)).toEqual([])
  })

  it('waits for its time also when the queue was lost', async () => {
    const ada = await person()
    await ask(ada.address)
    await sql(`DELETE FROM graphile_worker._private_jobs`)
    await audit.start()
    await audit.stop()
    const { rows } = await sql(
      `SELECT j.run_at > now() + interval '47 hours' AS later FROM graphile_worker.jobs j
       JOIN deliveries d ON j.key = 'delivery:' || d.id
       WHERE d.kind = 'recovery_reminder' AND d.delivered_at IS NULL AND d.not_before > now()`,
    )
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.every(({ later }) => later)).toBe(true)
  })
})
