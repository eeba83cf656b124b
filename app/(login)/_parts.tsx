import { Problem } from '@/components/login/problem'
import type { RefusalView } from '@/components/login/words'
import { oidc } from '@/lib'
import type { Caller } from '@/lib/base/caller'

/** The app that waits for this sign-in, as its pages name it. */
export async function waitingClient(request: string | null, caller: Caller) {
  const waiting = request ? await oidc.request(request, caller) : null
  return waiting && { name: waiting.client.name, logo: waiting.client.logoUri }
}

/** An attempt that cannot go on here: says why, and begins again. */
export function FlowProblem({ refusal }: { refusal: RefusalView }) {
  return <Problem refusal={refusal} primary={{ href: '/signin/start' }} />
}
