-- A refresh token belongs to its consent, and the consent to its user and its app: what ends either ends
-- the token too. Keys of its own to them cost every rotation two row locks and two index entries.
ALTER TABLE "refresh_tokens" DROP CONSTRAINT "refresh_tokens_user_id_fkey", DROP CONSTRAINT "refresh_tokens_client_id_fkey";
DROP INDEX "refresh_tokens_user_id_idx";
DROP INDEX "refresh_tokens_client_id_idx";

-- Rows that change once or all the time, in columns that no index has: with room on their page they
-- change without touching any index.
ALTER TABLE "refresh_tokens" SET (fillfactor = 45);
ALTER TABLE "event_heads" SET (fillfactor = 50);

-- The head now also says what the newest event's prev_hash is, so that one statement locks the chain,
-- moves it on and tells the event its place. The chain itself is made as before.
ALTER TABLE "event_heads" ADD COLUMN "prev_hash" BYTEA;
CREATE OR REPLACE FUNCTION "events_link"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."seq" := NULL; NEW."prev_hash" := NULL; NEW."hash" := NULL;
  IF NEW."user_id" IS NULL THEN RETURN NEW; END IF;
  LOOP
    UPDATE "event_heads" h SET "seq" = h."seq" + 1, "prev_hash" = h."hash",
      "hash" = sha256(h."hash" || convert_to(jsonb_build_array(
        h."seq" + 1, to_char(NEW."at" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), NEW."type", NEW."outcome",
        NEW."user_id", NEW."actor", NEW."session_id", NEW."device_id", NEW."client_id", NEW."request_id",
        host(NEW."ip"), NEW."user_agent", NEW."data")::text, 'UTF8'))
      WHERE h."user_id" = NEW."user_id"
      RETURNING h."seq", h."prev_hash", h."hash" INTO NEW."seq", NEW."prev_hash", NEW."hash";
    EXIT WHEN FOUND;
    INSERT INTO "event_heads" ("user_id", "seq", "hash") VALUES (NEW."user_id", 0, sha256(''::bytea))
      ON CONFLICT ("user_id") DO NOTHING;
  END LOOP;
  RETURN NEW;
END $$;
