-- The last four characters, so that the owner can tell which is which; and what a page of them reads.
ALTER TABLE "personal_access_tokens" ADD COLUMN "hint" TEXT NOT NULL DEFAULT '';
CREATE INDEX "personal_access_tokens_live_idx" ON "personal_access_tokens" ("user_id", "created_at" DESC) WHERE "revoked_at" IS NULL;
