/**
 * Starts what all journeys stand on, on free ports and data of their own, and ends it afterwards: a portal with
 * the built-in mailbox, and one whose mail goes to a real SMTP server.
 */
import { launchPortal } from './portal'
import { startReceiver } from './receiver'

export default async function startPortal(): Promise<() => Promise<void>> {
  const receiver = await startReceiver()
  const [portal, mailing] = await Promise.all([launchPortal(), launchPortal({ SMTP_URL: receiver.smtpUrl })])
  Object.assign(process.env, { E2E_URL: portal.url, E2E_DEMO_URL: portal.demoUrl, E2E_DATA: portal.data })
  process.env.E2E_OVER_SMTP = JSON.stringify({
    E2E_URL: mailing.url,
    E2E_DEMO_URL: mailing.demoUrl,
    E2E_DATA: mailing.data,
    E2E_MAIL: receiver.mailUrl,
  })
  return async () => {
    await Promise.all([portal.stop(), mailing.stop()])
    await receiver.stop()
  }
}
