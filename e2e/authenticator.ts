/** Chromium's own virtual authenticators: devices and keys that journeys hold in their hands. */
import type { CDPSession, Page } from '@playwright/test'

export interface Credential {
  credentialId: string
  isResidentCredential: boolean
  rpId?: string
  userHandle?: string
  signCount: number
  privateKey: string
}

export interface Authenticator {
  /** Whether a touch is given at once when asked for; without it a ceremony stays open. */
  touch(given: boolean): Promise<void>
  /** Whether fingerprint or PIN succeed. */
  verifies(user: boolean): Promise<void>
  credentials(): Promise<Credential[]>
  /** Puts a credential into it, as a copy of another device would be. */
  put(credential: Credential): Promise<void>
  forget(credentialId: string): Promise<void>
  /** Takes it out of this browser. */
  remove(): Promise<void>
}

const KINDS = {
  /** A phone or computer with a fingerprint reader; its passkeys are synced. */
  device: {
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    defaultBackupEligibility: true,
    defaultBackupState: true,
  },
  /** A key on the USB port that knows touch and nothing else. */
  key: { transport: 'usb', hasResidentKey: false, hasUserVerification: false, isUserVerified: false },
} as const

const sessions = new WeakMap<Page, Promise<CDPSession>>()

/** One session for each page: authenticators belong to the session that added them. */
function sessionOf(page: Page): Promise<CDPSession> {
  const open = async () => {
    const session = await page.context().newCDPSession(page)
    await session.send('WebAuthn.enable', { enableUI: false })
    return session
  }
  const session = sessions.get(page) ?? open()
  sessions.set(page, session)
  return session
}

/** Gives the page's browser an authenticator. */
export async function addAuthenticator(page: Page, kind: keyof typeof KINDS): Promise<Authenticator> {
  const cdp = await sessionOf(page)
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      automaticPresenceSimulation: true,
      ...KINDS[kind],
    },
  })
  return {
    touch: async (enabled) => {
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled })
    },
    verifies: async (isUserVerified) => {
      await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
    },
    credentials: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    put: async (credential) => {
      await cdp.send('WebAuthn.addCredential', { authenticatorId, credential })
    },
    forget: async (credentialId) => {
      await cdp.send('WebAuthn.removeCredential', { authenticatorId, credentialId })
    },
    remove: async () => {
      await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
    },
  }
}
