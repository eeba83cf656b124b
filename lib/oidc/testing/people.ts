import type pg from 'pg'

type Sql = (text: string, values?: unknown[]) => Promise<pg.QueryResult>

/** A person with a name and a proven address, straight into the tables. */
export async function newUser(sql: Sql, first = 'Ada', last = 'Lovelace'): Promise<string> {
  const { rows } = await sql(`INSERT INTO users (status) VALUES ('active') RETURNING id::text`)
  const id = rows[0].id as string
  await sql('INSERT INTO profiles (user_id, first_name, last_name) VALUES ($1, $2, $3)', [id, first, last])
  await sql('INSERT INTO emails (user_id, address, is_primary, verified_at) VALUES ($1, $2, true, now())', [
    id,
    `${first.toLowerCase()}-${id.slice(0, 8)}@example.com`,
  ])
  return id
}
