import { Asked, type Asker, askedText, Code, type Draft, type Look, Paragraph } from './parts'

export interface BareCodeProps extends Asker {
  code: string
  expiresMinutes: number
}

/** A code to type where it was asked for, and nothing to click. */
const bareCode =
  (name: 'rehearsal_code' | 'second_code') =>
  (props: BareCodeProps, look: Look): Draft => {
    const { words, product } = look
    const { code, expiresMinutes: minutes } = props
    const title = words(`${name}.title`)
    const intro = words(`${name}.intro`)
    const expires = words(`${name}.expires`, { minutes })
    const facts = words(`${name}.facts`)
    const notYou = words(`${name}.not_you`)
    return {
      subject: words(`${name}.subject`, { product }),
      preview: words(`${name}.preview`, { code }),
      title,
      body: (
        <>
          <Paragraph>{intro}</Paragraph>
          <Code>{code}</Code>
          <Paragraph soft>{expires}</Paragraph>
          <Asked title={facts} asker={props} look={look} />
          <Paragraph soft>{notYou}</Paragraph>
        </>
      ),
      text: [title, `${intro}\n\n  ${code}`, expires, askedText(facts, props, look), notYou],
    }
  }

/** Shows that mail to an address arrives; opens nothing. */
export const rehearsalCode = bareCode('rehearsal_code')

/** The second step of a sign-in whose first proof was right. */
export const secondCode = bareCode('second_code')
