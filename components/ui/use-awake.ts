import { useSyncExternalStore } from 'react'

const never = () => () => {}

/**
 * True once script has taken over what the server drew. What only script can do is disabled until then: a press
 * that came before would be lost, or post a form that script was to fill in.
 */
export const useAwake = (): boolean =>
  useSyncExternalStore(
    never,
    () => true,
    () => false,
  )
