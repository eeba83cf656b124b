const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** True for a string that can be a user's id at all: anything else is nobody, not an SQL error. */
export const isId = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)
