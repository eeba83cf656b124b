import { Icon } from '../ui/icon'
import { circleCheck, circleExclamationPoint, info } from '../ui/icons'

/** The icons of what an ActionForm says, drawn by the server. */
export const answerIcons = {
  ok: <Icon of={circleCheck} className="mt-px size-5 text-success" />,
  bad: <Icon of={circleExclamationPoint} className="mt-px size-5 text-danger" />,
  note: <Icon of={info} className="mt-px size-5 text-info" />,
}
