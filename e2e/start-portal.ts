/** Starts one built portal for all journeys, on free ports and its own data, and ends it afterwards. */
import { launchPortal } from './portal'

export default async function startPortal(): Promise<() => Promise<void>> {
  const portal = await launchPortal()
  Object.assign(process.env, { E2E_URL: portal.url, E2E_DEMO_URL: portal.demoUrl, E2E_DATA: portal.data })
  return () => portal.stop()
}
