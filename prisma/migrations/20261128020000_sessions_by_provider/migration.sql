-- Live sessions that came from an account elsewhere, by what their proofs say of it: for a provider that says that one of
-- its own sessions is over. Partial, so Prisma's schema has no word for it.
CREATE INDEX "sessions_proofs_oauth_idx" ON "sessions" USING gin ("proofs" jsonb_path_ops) WHERE "method" = 'oauth' AND "revoked_at" IS NULL;
