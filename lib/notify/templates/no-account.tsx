import { Asked, type Asker, askedText, type Draft, type Look, Paragraph } from './parts'

export type NoAccountProps = Asker

/** Tells the reader of a mailbox that what was asked for leads nowhere here; the page said nothing of it. */
const noSuch =
  (name: 'no_account' | 'reset_refused') =>
  (props: NoAccountProps, look: Look): Draft => {
    const { words, product } = look
    const title = words(`${name}.title`)
    const intro = words(`${name}.intro`, { product })
    const notYou = words(`${name}.not_you`)
    return {
      subject: words(`${name}.subject`, { product }),
      preview: words(`${name}.preview`, { product }),
      title,
      body: (
        <>
          <Paragraph>{intro}</Paragraph>
          <Asked title={words(`${name}.facts`)} asker={props} look={look} />
          <Paragraph soft>{notYou}</Paragraph>
        </>
      ),
      text: [title, intro, askedText(words(`${name}.facts`), props, look), notYou],
    }
  }

/** Nobody signs in with this address here. */
export const noAccount = noSuch('no_account')

/** No account with this address has a password that could be chosen anew. */
export const resetRefused = noSuch('reset_refused')
