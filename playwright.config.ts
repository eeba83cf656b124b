import { existsSync } from 'node:fs'
import { defineConfig, devices } from '@playwright/test'

/** The system's Chromium where there is one, else Playwright's own. */
const system = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
].find((file) => file && existsSync(file))

/** Ways in and back in that go by mail, walked with mail as it is in production; all others read the built-in mailbox. */
const BY_MAIL = /(sign-up|passwordless|emails|recovery)\.spec/

export default defineConfig<object, { overSmtp: boolean }>({
  testDir: 'e2e',
  outputDir: 'test-results',
  globalSetup: './e2e/start-portal.ts',
  fullyParallel: true,
  workers: 2,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [['list'], ['json', { outputFile: 'test-results/playwright.json' }]],
  projects: [
    { name: 'journeys', testIgnore: BY_MAIL },
    { name: 'by mail', testMatch: BY_MAIL, use: { overSmtp: true } },
  ],
  use: {
    ...devices['Desktop Chrome'],
    // Tracing costs a fifth of the time; `--trace on` where a failure asks for it.
    trace: 'off',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: system,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
})
