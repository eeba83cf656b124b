/** What a portal may not do with settings that are fine on one's own machine only. */
import { ConfigError, type Env } from '../base/env'

/**
 * Refuses generated or comfortable defaults behind a public address, naming each and its cure.
 * @param env as the operator gave it, before anything was filled in
 * @throws ConfigError with one sentence for each
 */
export function refuseUnsafeDefaults(env: Env): void {
  if (env.loopback || env.nodeEnv === 'test') return
  const trouble: string[] = []
  if (!env.https) {
    trouble.push(
      `GATEHOUSE_URL is ${env.url}, and over plain http anyone on the way reads passwords and cookies: put TLS in front and use https.`,
    )
  }
  if (env.secrets.length === 0) {
    trouble.push(
      'GATEHOUSE_SECRET is not set, and a generated one would be lost with the data folder and differ between instances: set it (make one with: openssl rand -base64 32), or name a file with GATEHOUSE_SECRET_FILE.',
    )
  }
  if (!env.smtpUrl) {
    trouble.push(
      'SMTP_URL is not set, so no mail would reach anyone (the development mailbox is for this machine only): set it, such as smtps://user:password@mail.example.com.',
    )
  }
  if (env.demo) {
    trouble.push('GATEHOUSE_DEMO is on, and its accounts and passwords are for trying out: switch it off.')
  }
  if (trouble.length) throw new ConfigError(trouble.join('\n'))
}
