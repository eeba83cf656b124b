import { notify, requests } from '@/lib'

/**
 * Whether the mailbox exists for this request: only while no mail server is set, the portal is this
 * machine's own, and the request came straight from this machine.
 */
export const open = (headers: { get(name: string): string | null }): boolean =>
  notify.mailbox.enabled() && requests.caller(headers).local
