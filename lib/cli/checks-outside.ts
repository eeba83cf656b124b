/** What doctor finds out from the mail server, the SMS driver, other providers and the public address. */
import { env } from '../base/env'
import type { Check } from './checks'

export async function checkMail(): Promise<Check> {
  const { checkTransport, closeTransport } = await import('../notify')
  try {
    const { ok, message, hint } = await checkTransport()
    return { name: 'mail', state: ok ? 'ok' : 'fail', message, ...(hint && { hint }) }
  } finally {
    closeTransport()
  }
}

export async function checkSms(): Promise<Check> {
  const { sms } = await import('../notify')
  const { ok, message, hint } = await sms.check()
  return { name: 'sms', state: ok ? 'ok' : 'fail', message, ...(hint && { hint }) }
}

/** One line for each provider that people may sign in with, and for each variable that keeps one out. */
export async function checkProviders(): Promise<Check[]> {
  const federation = await import('../federation')
  return (await federation.check()).map(({ state, message }) => ({
    name: 'provider',
    state,
    message,
    hint:
      state === 'fail'
        ? 'The portal starts without this provider; docs/operations.md says what each one needs.'
        : 'People are told to use another way meanwhile: check the address, and that it can be reached from here.',
  }))
}

const TIMEOUT_MS = 5000

/** Asks for the discovery document as an app would, at the public address. */
export async function checkIssuer(portalRuns: boolean): Promise<Check> {
  const name = 'issuer'
  const { issuer, loopback, port } = env()
  const url = `${issuer}/.well-known/openid-configuration`
  let answer: Response
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' })
  } catch (error) {
    const cause = (error as { cause?: { code?: string; message?: string } }).cause
    const code = cause?.code ?? (error as Error).name
    if (!portalRuns && loopback) {
      return {
        name,
        state: 'warn',
        message: `nothing answers at ${issuer}`,
        hint: 'Start the portal: npm start.',
      }
    }
    const hint = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/i.test(code)
      ? 'The certificate is not trusted from here: install the full chain at the proxy.'
      : code === 'ENOTFOUND'
        ? 'The name in GATEHOUSE_URL does not resolve from here: correct it or its DNS record.'
        : `Check GATEHOUSE_URL, that the portal runs, and that the proxy passes this address on to port ${port}.`
    return { name, state: 'fail', message: `${issuer} cannot be reached: ${code}`, hint }
  }
  const text = await answer.text().catch(() => '')
  if (answer.status === 421) {
    const hint = 'The proxy must pass on the Host header of GATEHOUSE_URL.'
    return { name, state: 'fail', message: 'the portal answers for another address', hint }
  }
  if (answer.status !== 200) {
    const hint = 'Something else may answer there: check GATEHOUSE_URL and the proxy.'
    return { name, state: 'fail', message: `${url} answers ${answer.status}`, hint }
  }
  try {
    const found = (JSON.parse(text) as { issuer?: string }).issuer
    if (found === issuer) return { name, state: 'ok', message: `${issuer} answers` }
    const hint = 'GATEHOUSE_URL differs between this command and the portal that answers.'
    return { name, state: 'fail', message: `answers as ${found}, not ${issuer}`, hint }
  } catch {
    const hint = 'Something else may answer there: check GATEHOUSE_URL and the proxy.'
    return { name, state: 'fail', message: `${url} is no discovery document`, hint }
  }
}

/** A certificate that nobody has the key of, good till 2120. */
const MADE_UP = [
  'MIIBPjCB5aADAgECAgEBMAoGCCqGSM49BAMCMCYxJDAiBgNVBAMTG21hZGUgdXAgYnkgZ2F0ZWhvdXNlIGRvY3RvcjAgFw0y',
  'MDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowJjEkMCIGA1UEAxMbbWFkZSB1cCBieSBnYXRlaG91c2UgZG9jdG9yMFkw',
  'EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpJbAFUdhhC8WVdu6Y/5gQs8E2xRIbgs+DeScO9LNkSTQDbdDdq5HxEn7d0wzwVzK',
  'nyf8Oq+tv/NV+gg4RDmB/aMCMAAwCgYIKoZIzj0EAwIDSAAwRQIgX7zGqZQtRLkyLcSaFSl1qBa5udYQCT1EFj5BWed7wvYC',
  'IQDxHLoquXcM9DmxiUQZKu6qSBGc/Lz62t1cAaF5moC2ZA==',
].join('')

/**
 * Writes a made-up certificate into the header by which the proxy hands over those of apps, as anybody could, and asks
 * the portal what it believes. None where no app can show any.
 */
export async function checkCertificates(): Promise<Check[]> {
  const { certificates, url } = env()
  const { header, origin } = certificates
  if (!header) return []
  const { CERTIFICATE_PATH } = await import('../oidc')
  const places = [url, ...(origin ? [origin] : [])]
  return Promise.all(places.map((at) => checkForged(at + CERTIFICATE_PATH, at, header)))
}

async function checkForged(address: string, at: string, header: string): Promise<Check> {
  const name = 'proxy'
  const hint = 'Ask again when this address is reached, with the proxy between: docs/reverse-proxy.md.'
  const unknown = (why: string): Check => ({
    name,
    state: 'warn',
    message: `what callers write into ${header} at ${at} is not known: ${why}`,
    hint,
  })
  let seen: { certificate?: object | null; problem?: string }
  try {
    const headers = { [header]: `:${MADE_UP}:` }
    const answer = await fetch(address, {
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'manual',
    })
    if (answer.status !== 200) return unknown(`it answers ${answer.status}`)
    seen = (await answer.json()) as typeof seen
  } catch (error) {
    const { cause, name: kind } = error as { cause?: { code?: string }; name: string }
    return unknown(cause?.code ?? kind)
  }
  if (seen.certificate === null && !seen.problem)
    return { name, state: 'ok', message: `what callers write into ${header} at ${at} does not arrive` }
  return {
    name,
    state: 'fail',
    message: seen.certificate
      ? `a certificate that doctor made up was believed: whoever writes ${header} at ${at} is any app`
      : `what callers write into ${header} at ${at} arrives (${seen.problem ?? 'it is no answer of the portal'})`,
    hint: 'The proxy must write this header itself on every request, or take it away: docs/reverse-proxy.md.',
  }
}
