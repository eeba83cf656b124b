/** All that is known of whoever an address leads to, before their password is looked at, in one statement. */
import * as audit from '../audit'
import { sql } from '../base/db'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'

/** What one look found, of somebody or of nobody. */
export interface Known {
  user: users.UserSummary | null
  /** The hash of this browser's cookie, if the user has signed in from it. */
  device: string | null
  held: factors.Held
  past: audit.Past
}

type Row = { id: string | null; known_device: boolean } & Omit<Parameters<typeof users.found.read>[0], 'id'> &
  factors.HeldRow &
  audit.PastRow

const statement = (places: boolean) => `
  WITH u AS (${users.found.sql('$1')}),
    who AS (SELECT COALESCE((SELECT id FROM u), '00000000-0000-0000-0000-000000000000') AS id)
  SELECT u.*, EXISTS (${sessions.deviceKnownSql('who.id', '$2')}) AS known_device, h.*, p.*
  FROM who LEFT JOIN u ON true
    CROSS JOIN LATERAL (${factors.held.sql('who.id', '$3')}) h
    CROSS JOIN LATERAL (${audit.before.sql('who.id', '$4', places)}) p`

/**
 * An address that is nobody's is asked about nobody's id, and so costs what any other does (ENU2).
 * @param address normalized
 * @param input.places whether it is of use where earlier sign-ins came from
 */
export async function readKnown(
  address: string,
  input: { device: string | null; failedSince: Date; places: boolean },
): Promise<Known> {
  const [row] = await sql<Row>({
    name: input.places ? 'signin-known-places' : 'signin-known',
    text: statement(input.places),
    values: [address, input.device, factors.held.keys(), input.failedSince],
  })
  if (!row) throw new Error('what is known of an address is always one row')
  const { id } = row
  return {
    user: id === null ? null : users.found.read({ ...row, id }),
    device: row.known_device ? input.device : null,
    held: factors.held.read(row),
    past: audit.before.read(row),
  }
}
