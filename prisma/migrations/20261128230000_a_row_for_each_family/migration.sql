-- A family of refresh tokens is one row from now on, which is rotated in place and touches no index. Rows of before, one a
-- token, have none of these; each is rotated into a family's own, and the used-up ones tell reuse until they expire.
ALTER TABLE "refresh_tokens" ADD COLUMN "current_hash" TEXT, ADD COLUMN "previous_hash" TEXT, ADD COLUMN "rotated_at" TIMESTAMPTZ(3);
