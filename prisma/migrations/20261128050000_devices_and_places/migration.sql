-- Where a known device was last, and what its maker calls it: a device outlives the sessions that say so.
ALTER TABLE "devices" ADD COLUMN "model" TEXT;
ALTER TABLE "devices" ADD COLUMN "country" TEXT;
ALTER TABLE "devices" ADD COLUMN "city" TEXT;
ALTER TABLE "devices" ADD COLUMN "timezone" TEXT;

-- A page of a person's devices, most recently seen first, at any number of them.
CREATE INDEX "devices_user_id_last_seen_at_id_idx" ON "devices" ("user_id", "last_seen_at" DESC, "id" DESC);
-- The live sessions of one device, the newest first, read off the index alone: however many it has or had.
CREATE INDEX "sessions_device_live_idx" ON "sessions" ("device_id", "last_active_at" DESC, "id" DESC)
  INCLUDE ("session_version", "expires_at", "idle_seconds") WHERE "revoked_at" IS NULL;
