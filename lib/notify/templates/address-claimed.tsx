import { ours } from '../safe'
import { Asked, type Asker, askedText, type Draft, type Look, Paragraph } from './parts'

export interface AddressClaimedProps extends Asker {
  signInUrl: string
}

/** Tells the owner of an address that somebody tried to add it to another account; that one learnt nothing. */
export function addressClaimed(props: AddressClaimedProps, look: Look): Draft {
  const { words, product } = look
  const link = ours(props.signInUrl)
  const title = words('address_claimed.title')
  const intro = words('address_claimed.intro', { product })
  const wasYou = words('address_claimed.was_you')
  const notYou = words('address_claimed.not_you')
  const facts = words('address_claimed.facts')
  return {
    subject: words('address_claimed.subject', { product }),
    preview: words('address_claimed.preview'),
    title,
    body: (
      <>
        <Paragraph>{intro}</Paragraph>
        <Paragraph>
          {wasYou} <a href={link}>{link}</a>
        </Paragraph>
        <Asked title={facts} asker={props} look={look} />
        <Paragraph soft>{notYou}</Paragraph>
      </>
    ),
    text: [title, intro, `${wasYou}\n${link}`, askedText(facts, props, look), notYou],
  }
}
