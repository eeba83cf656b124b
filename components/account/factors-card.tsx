import { Children, type ReactNode } from 'react'
import { Card } from '../ui/card'
import { Rows } from '../ui/rows'

interface Props {
  id: string
  title: string
  text: string
  empty: string
  /** What adds another; null where that is not possible now. */
  add: ReactNode
  /** The rows. */
  children: ReactNode
}

/** One kind of factor: what it is, those there are, and the way to another. */
export function FactorsCard({ id, title, text, empty, add, children }: Props) {
  const some = Children.count(children) > 0
  return (
    <Card id={id} title={title} lead={text} flush>
      {some ? (
        <Rows label={title}>{children}</Rows>
      ) : (
        <p className="px-5 pb-5 text-[0.9375rem] text-ink-3 sm:px-6">{empty}</p>
      )}
      {add ? <div className="border-t border-line px-5 py-4 sm:px-6">{add}</div> : null}
    </Card>
  )
}
