import { recovery, requests, users } from '@/lib'
import { RecoveryBanner } from '../../../../components/account/recovery-banner'
import { summaryOf, whoIs } from '../../../_lib/guard'

/**
 * What a person must see on whichever page they are. A slot of its own, because a layout is not rendered
 * again while somebody walks from page to page; this is.
 */
export default async function Notices() {
  const { session } = await whoIs()
  const user = session && (await summaryOf(session.userId))
  const running = user && (await recovery.running(user))
  if (!running) return null
  const profile = await users.profile.get(user.id)
  return <RecoveryBanner running={running} timeZone={profile?.timezone ?? 'UTC'} now={requests.nowMs()} />
}
