import { ours } from '../safe'
import { Asked, type Asker, askedText, Button, type Draft, type Look, Paragraph } from './parts'

export interface AddressTakenProps extends Asker {
  signInUrl: string
}

/** Tells the owner of an address that somebody tried to sign up with it; the page said nothing of it. */
export function addressTaken(props: AddressTakenProps, look: Look): Draft {
  const { words, product } = look
  const link = ours(props.signInUrl)
  const title = words('address_taken.title')
  const intro = words('address_taken.intro', { product })
  const notYou = words('address_taken.not_you')
  return {
    subject: words('address_taken.subject', { product }),
    preview: words('address_taken.preview'),
    title,
    body: (
      <>
        <Paragraph>{intro}</Paragraph>
        <Paragraph>{words('address_taken.was_you')}</Paragraph>
        <Button href={link} look={look}>
          {words('address_taken.button')}
        </Button>
        <Asked title={words('address_taken.facts')} asker={props} look={look} />
        <Paragraph soft>{notYou}</Paragraph>
      </>
    ),
    text: [
      title,
      intro,
      `${words('address_taken.was_you')}\n${link}`,
      askedText(words('address_taken.facts'), props, look),
      notYou,
    ],
  }
}
