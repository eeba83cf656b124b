-- AlterTable
ALTER TABLE "sessions" ADD COLUMN     "ends_at" TIMESTAMPTZ(3),
ADD COLUMN     "revoke_id" UUID;

-- Whoever writes one of the three writes the fourth.
CREATE FUNCTION "sessions_ends_at"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."ends_at" := LEAST(NEW."expires_at", NEW."last_active_at" + make_interval(secs => NEW."idle_seconds"));
  RETURN NEW;
END $$;
CREATE TRIGGER "sessions_ends_at" BEFORE INSERT OR UPDATE OF "expires_at", "last_active_at", "idle_seconds" ON "sessions"
  FOR EACH ROW EXECUTE FUNCTION "sessions_ends_at"();

UPDATE "sessions" SET "ends_at" = LEAST("expires_at", "last_active_at" + make_interval(secs => "idle_seconds"))
WHERE "revoked_at" IS NULL;

-- What Prisma cannot say: indexes over live rows alone, so that they stay as small as what they are asked about.
DROP INDEX "sessions_live_idx";
CREATE INDEX "sessions_live_idx" ON "sessions" ("user_id", "last_active_at" DESC, "id" DESC) WHERE "revoked_at" IS NULL;
CREATE INDEX "sessions_ends_at_idx" ON "sessions" ("ends_at") WHERE "revoked_at" IS NULL;
CREATE INDEX "sessions_revoke_id_idx" ON "sessions" ("revoke_id") WHERE "revoke_id" IS NOT NULL;

-- CreateIndex
CREATE INDEX "devices_last_seen_at_idx" ON "devices"("last_seen_at");
