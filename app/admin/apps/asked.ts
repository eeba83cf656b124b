import { notFound } from 'next/navigation'
import { oidc } from '@/lib'
import { adminIn } from '../../_lib/admin'

/** For pages about one app: who asks, an operator alone, and the app that the address names; else there is no such page. */
export async function appAsked(params: Promise<{ id: string }>) {
  const who = await adminIn()
  const client = await oidc.clients.get(decoded((await params).id))
  return client ? { ...who, client } : notFound()
}

/** The client_id in an address, which may be bent by hand. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return ''
  }
}
