import { ours } from '../safe'
import { Asked, type Asker, askedText, Button, Code, type Draft, type Look, Paragraph } from './parts'

export interface CodeMailProps extends Asker {
  code: string
  /** Leads to the page that states what will happen; only its POST consumes. */
  link: string
  expiresMinutes: number
}

/** A code to type, or the link to the page that fills it in; the words say what it is good for. */
const codeMail =
  (name: 'verify_email' | 'sign_in_code') =>
  (props: CodeMailProps, look: Look): Draft => {
    const { words, product } = look
    const link = ours(props.link)
    const expires = words(`${name}.expires`, { minutes: props.expiresMinutes })
    const notYou = words(`${name}.not_you`, { product })
    const title = words(`${name}.title`, { product })
    return {
      subject: words(`${name}.subject`, { product }),
      preview: words(`${name}.preview`, { code: props.code, minutes: props.expiresMinutes }),
      title,
      body: (
        <>
          <Paragraph>{words(`${name}.intro`)}</Paragraph>
          <Code>{props.code}</Code>
          <Paragraph>{words(`${name}.or_link`)}</Paragraph>
          <Button href={link} look={look}>
            {words(`${name}.button`)}
          </Button>
          <Paragraph soft>{expires}</Paragraph>
          <Asked title={words(`${name}.facts`)} asker={props} look={look} />
          <Paragraph soft>{notYou}</Paragraph>
        </>
      ),
      text: [
        title,
        `${words(`${name}.intro`)}\n\n  ${props.code}`,
        `${words(`${name}.or_link`)}\n${link}`,
        expires,
        askedText(words(`${name}.facts`), props, look),
        notYou,
      ],
    }
  }

/** Proves that the reader owns the address. */
export const verifyEmail = codeMail('verify_email')

/** Signs its reader in, in the browser that asked. */
export const signInCode = codeMail('sign_in_code')
