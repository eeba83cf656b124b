/** The client_id in an address, which may be bent by hand. */
export function decoded(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return ''
  }
}
