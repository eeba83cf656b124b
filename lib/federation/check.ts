/** Looks at each provider from here, for `gatehouse doctor`: what is wrong in its variables, and whether it answers. */
import { metadataOf, ProviderDown } from './metadata'
import { good, problems, providers } from './registry'
import { anyDiscovery } from './shapes'

export interface ProviderCheck {
  state: 'ok' | 'warn' | 'fail'
  message: string
}

/** One line for each provider that can be asked, and one for each variable that is wrong. */
export async function check(): Promise<ProviderCheck[]> {
  const wrong = problems().map((message): ProviderCheck => ({ state: 'fail', message }))
  const asked = providers().map(async ({ id, name }): Promise<ProviderCheck> => {
    const known = good(id)
    const place = known && anyDiscovery(known.settings)
    if (!place) return { state: 'ok', message: `${name} is configured` }
    try {
      await metadataOf(place.wellKnown, place.issuer)
      return { state: 'ok', message: `${name} answers as ${place.issuer}` }
    } catch (error) {
      if (!(error instanceof ProviderDown)) throw error
      return {
        state: 'warn',
        message: `${name}: ${place.wellKnown} ${error.message.replace(`${place.wellKnown} `, '')}`,
      }
    }
  })
  return [...wrong, ...(await Promise.all(asked))]
}
