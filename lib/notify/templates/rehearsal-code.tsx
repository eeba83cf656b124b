import { Asked, type Asker, askedText, Code, type Draft, type Look, Paragraph } from './parts'

export interface RehearsalCodeProps extends Asker {
  code: string
  expiresMinutes: number
}

/** Shows that mail to an address arrives; opens nothing. */
export function rehearsalCode(props: RehearsalCodeProps, look: Look): Draft {
  const { words, product } = look
  const { code, expiresMinutes: minutes } = props
  const title = words('rehearsal_code.title')
  const intro = words('rehearsal_code.intro')
  const expires = words('rehearsal_code.expires', { minutes })
  const facts = words('rehearsal_code.facts')
  const notYou = words('rehearsal_code.not_you')
  return {
    subject: words('rehearsal_code.subject', { product }),
    preview: words('rehearsal_code.preview', { code }),
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
