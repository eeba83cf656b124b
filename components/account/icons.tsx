import { Icon } from '../ui/icon'
import { circleCheck, circleExclamationPoint } from '../ui/icons'

/** The two icons of an ActionForm's answer, drawn by the server. */
export const answerIcons = {
  ok: <Icon of={circleCheck} className="mt-px size-5 text-success" />,
  bad: <Icon of={circleExclamationPoint} className="mt-px size-5 text-danger" />,
}
