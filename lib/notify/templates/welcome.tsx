import { inert, ours } from '../safe'
import { Button, type Draft, type Look, Paragraph } from './parts'

export interface WelcomeProps {
  /** How the person calls themselves; left out where it is not inert. */
  name: string | null
}

/** The first mail to a new account. */
export function welcome(props: WelcomeProps, look: Look): Draft {
  const { words, product } = look
  const link = ours(`${look.url}/account`)
  const name = inert(props.name, 40)
  const hello = name ? words('common.hello_name', { name }) : words('common.hello')
  const title = words('welcome.title')
  const intro = words('welcome.intro')
  const notYou = words('welcome.not_you', { product })
  return {
    subject: words('welcome.subject', { product }),
    preview: words('welcome.preview'),
    title,
    body: (
      <>
        <Paragraph>{hello}</Paragraph>
        <Paragraph>{intro}</Paragraph>
        <Paragraph>{words('welcome.console')}</Paragraph>
        <Button href={link} look={look}>
          {words('welcome.button')}
        </Button>
        <Paragraph soft>{notYou}</Paragraph>
      </>
    ),
    text: [title, hello, intro, `${words('welcome.console')}\n${link}`, notYou],
  }
}
