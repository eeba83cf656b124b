import { existsSync } from 'node:fs'
import path from 'node:path'
import { sourceHash } from './scripts/prepare.mjs'

/** @type {import('next').NextConfig} */
const config = {
  // The same sources are the same build, on whichever machine: its processes can stand in for each other.
  generateBuildId: () => sourceHash(import.meta.dirname, 'pages').slice(0, 20),
  poweredByHeader: false,
  reactStrictMode: true,
  productionBrowserSourceMaps: false,
  // Packages of the rooms, should a page ever reach one: one copy, from node_modules, never bundled.
  serverExternalPackages: [
    '@node-rs/argon2',
    '@prisma/adapter-pg',
    '@prisma/client',
    'graphile-worker',
    'ioredis',
    'nodemailer',
    'oidc-provider',
    'pg',
    'pino',
    'sharp',
  ],
  // No page uses it, and left on it scales pictures for anybody and keeps every spelling of an address on disk.
  images: { unoptimized: true },
  experimental: {
    serverActions: { bodySizeLimit: '6mb' },
    // A quarter of a first build would go into writing down what only a second one reads.
    turbopackFileSystemCacheForBuild: existsSync(path.join(import.meta.dirname, '.next/BUILD_ID')),
  },
  // What next-intl's own plugin does; it looks for a variable that this Next no longer sets.
  turbopack: { resolveAlias: { 'next-intl/config': './app/_lib/intl.ts' } },
  // `npm test` checks all types; a first start has no development packages to check the tests' types with.
  typescript: { ignoreBuildErrors: true },
}

export default config
