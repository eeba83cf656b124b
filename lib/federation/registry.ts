/** The providers that are configured and good, and the sentences about those that are not. */
import type { ProviderView } from './types'

/** Those that people may sign in with, in the operator's order. */
export const providers = (): ProviderView[] => []

/** One of them; null when it is not configured, or not well. */
export const provider = (id: string): ProviderView | null => providers().find((one) => one.id === id) ?? null

/** One sentence for each variable that keeps a provider out. It keeps no other out. */
export const problems = (): string[] => []
