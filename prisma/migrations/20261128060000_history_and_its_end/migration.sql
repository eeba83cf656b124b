-- The oldest part of a history may be cut off when it is older than the operator keeps it. What is left must stay
-- verifiable: the last event of the cut is remembered as the anchor from which the chain goes on.
CREATE TABLE "event_anchors" (
    "user_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "hash" BYTEA NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "cut_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "event_anchors_pkey" PRIMARY KEY ("user_id")
);

-- Nothing younger than this goes, whoever asks and whatever EVENT_DAYS says.
CREATE FUNCTION "events_keep"() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '30 days' $$;

-- An anchor is an event that is there, old enough, after the anchor before it, and younger than nothing it cuts off.
-- It never goes back and never goes away.
CREATE FUNCTION "event_anchors_guard"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP IN ('INSERT', 'UPDATE') THEN
    IF (TG_OP = 'INSERT' OR (NEW."user_id" = OLD."user_id" AND NEW."seq" > OLD."seq"))
      AND EXISTS (SELECT 1 FROM "events" e WHERE e."user_id" = NEW."user_id" AND e."seq" = NEW."seq"
        AND e."hash" = NEW."hash" AND e."at" = NEW."at")
      AND NOT EXISTS (SELECT 1 FROM "events" e WHERE e."user_id" = NEW."user_id" AND e."seq" <= NEW."seq"
        AND e."at" >= now() - "events_keep"())
    THEN RETURN NEW; END IF;
  END IF;
  RAISE EXCEPTION 'an anchor is the end of what is old enough to go' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER "event_anchors_guard" BEFORE INSERT OR UPDATE OR DELETE ON "event_anchors"
  FOR EACH ROW EXECUTE FUNCTION "event_anchors_guard"();
CREATE TRIGGER "event_anchors_no_truncate" BEFORE TRUNCATE ON "event_anchors"
  FOR EACH STATEMENT EXECUTE FUNCTION "event_anchors_guard"();

-- A setting of the session used to open the past to whoever set it. Now an event may go for one reason only: it is old
-- enough, and (where it belongs to a chain) stands at or before its anchor.
CREATE OR REPLACE FUNCTION "events_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD."at" < now() - "events_keep"() AND (OLD."user_id" IS NULL OR EXISTS (
      SELECT 1 FROM "event_anchors" a WHERE a."user_id" = OLD."user_id" AND a."seq" >= OLD."seq"))
    THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

-- Cuts off what is older than `before`: looks at the oldest `batch` events, moves the anchors of the people they belong
-- to, and removes what stands at or before them. Says how many events went.
CREATE FUNCTION "events_expire"("before" timestamptz, "batch" integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE cut record; total integer := 0; gone integer;
BEGIN
  "before" := least("before", now() - "events_keep"());
  FOR cut IN
    SELECT old."user_id", coalesce(
      -- Clocks differ: an event that is younger than its place in the chain says keeps what stands after it.
      (SELECT min(y."seq") - 1 FROM "events" y
        WHERE y."user_id" = old."user_id" AND y."seq" <= old."seq" AND y."at" >= "before"), old."seq") AS "seq"
    FROM (SELECT o."user_id", max(o."seq") AS "seq" FROM (
      SELECT "user_id", "seq" FROM "events" WHERE "at" < "before" AND "user_id" IS NOT NULL
      ORDER BY "at" LIMIT "batch") o GROUP BY o."user_id") old
    ORDER BY old."user_id"
  LOOP
    INSERT INTO "event_anchors" AS a ("user_id", "seq", "hash", "at", "cut_at")
      SELECT e."user_id", e."seq", e."hash", e."at", now() FROM "events" e
      WHERE e."user_id" = cut."user_id" AND e."seq" = cut."seq"
      ON CONFLICT ("user_id") DO UPDATE SET "seq" = EXCLUDED."seq", "hash" = EXCLUDED."hash", "at" = EXCLUDED."at",
        "cut_at" = EXCLUDED."cut_at";
    DELETE FROM "events" WHERE "user_id" = cut."user_id" AND "seq" <= cut."seq";
    GET DIAGNOSTICS gone = ROW_COUNT;
    total := total + gone;
  END LOOP;
  DELETE FROM "events" WHERE "id" IN (
    SELECT "id" FROM "events" WHERE "at" < "before" AND "user_id" IS NULL ORDER BY "at" LIMIT "batch");
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN total + gone;
END $$;

-- People read all but what is written at every turn of a token; so that a page costs what it shows, the index has no more.
CREATE INDEX "events_history_idx" ON "events" ("user_id", "id" DESC) WHERE "type" NOT IN ('token.issued', 'password.rehashed');
DROP INDEX "events_user_id_id_idx";
-- What a sign-in is compared with.
CREATE INDEX "events_sign_ins_idx" ON "events" ("user_id", "id" DESC) WHERE "type" = 'session.opened';
CREATE INDEX "events_failures_idx" ON "events" ("user_id", "id" DESC) WHERE "outcome" = 'failure';

-- "Tell me of security changes by text message too."
ALTER TABLE "users" ADD COLUMN "security_texts" BOOLEAN NOT NULL DEFAULT false;
