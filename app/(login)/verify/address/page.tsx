import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { currentCaller, one, type Query } from '@/app/_lib/login'
import { AddressLink } from '@/components/account/address-link'
import { VerifyLink } from '@/components/login/verify-link'
import { security, sessions } from '@/lib'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.emails'))('link_title'), robots: { index: false } }
}

/**
 * Where the link in the mail to an added address leads. Opening it changes nothing: in the browser that
 * asked, a press confirms; anywhere else the page only shows the code, to be typed over there.
 */
export default async function AddressLinkPage({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const [id, code] = [one(query.id), one(query.code)]
  const dead = <VerifyLink kind="dead" startHref="/account/emails" />
  if (!/^\d{6}$/.test(code)) return dead
  const opened = await security.emails.whereOpened(id, await sessions.check((await currentCaller()).cookies))
  if (opened.at === 'over') return dead
  if (opened.at === 'elsewhere') return <VerifyLink kind="other" code={code} />
  return <AddressLink id={id} code={code} address={opened.address} action="/verify/address/submit" />
}
