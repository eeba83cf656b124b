-- A person closes their account: nobody is signed in as them from then on, and on the day it says it is erased. What it had
-- proven is free for anybody meanwhile, and remembered for whoever keeps the account.
ALTER TABLE "users" ADD COLUMN "erase_at" TIMESTAMPTZ(3);
ALTER TABLE "emails" ADD COLUMN "held_since" TIMESTAMPTZ(3);
ALTER TABLE "phones" ADD COLUMN "held_since" TIMESTAMPTZ(3);
CREATE INDEX "users_erase_at_idx" ON "users" ("erase_at") WHERE "erase_at" IS NOT NULL;

-- A history goes with its person: when they are gone, all of it may be cut off up to the event that says so. The chain
-- stays verifiable from the anchor to that event. Guests' histories stay.
CREATE INDEX "events_ended_idx" ON "events" ("user_id", "seq") WHERE "type" = 'user.deleted' AND "data"->>'guest' IS NULL;

CREATE FUNCTION "events_orphaned"("person" uuid, "upto" integer) RETURNS boolean LANGUAGE sql STABLE AS $$
  -- The last one is found from the end of the history, whichever index is taken; "a later one" would be looked for in all of it.
  SELECT NOT EXISTS (SELECT 1 FROM "users" u WHERE u."id" = "person") AND coalesce((
    SELECT max(e."seq") FROM "events" e WHERE e."user_id" = "person" AND e."type" = 'user.deleted'
      AND e."data"->>'guest' IS NULL) > "upto", false)
$$;

CREATE OR REPLACE FUNCTION "event_anchors_guard"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP IN ('INSERT', 'UPDATE') THEN
    IF (TG_OP = 'INSERT' OR (NEW."user_id" = OLD."user_id" AND NEW."seq" > OLD."seq"))
      AND EXISTS (SELECT 1 FROM "events" e WHERE e."user_id" = NEW."user_id" AND e."seq" = NEW."seq"
        AND e."hash" = NEW."hash" AND e."at" = NEW."at")
      AND ("events_orphaned"(NEW."user_id", NEW."seq")
        OR NOT EXISTS (SELECT 1 FROM "events" e WHERE e."user_id" = NEW."user_id" AND e."seq" <= NEW."seq"
          AND e."at" >= now() - "events_keep"()))
    THEN RETURN NEW; END IF;
  END IF;
  RAISE EXCEPTION 'an anchor is the end of what is old enough to go' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE OR REPLACE FUNCTION "events_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD."user_id" IS NULL AND OLD."at" < now() - "events_keep"() THEN RETURN OLD; END IF;
    IF OLD."user_id" IS NOT NULL AND EXISTS (
        SELECT 1 FROM "event_anchors" a WHERE a."user_id" = OLD."user_id" AND a."seq" >= OLD."seq")
      AND (OLD."at" < now() - "events_keep"() OR "events_orphaned"(OLD."user_id", OLD."seq"))
    THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

-- A history of years does not go in the time that one statement has. Cuts off the oldest `batch` events of somebody who is gone, up to the one that says so. Says how many events went.
CREATE FUNCTION "events_forget"("person" uuid, "batch" integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE last integer; upto integer; gone integer;
BEGIN
  SELECT max(e."seq") - 1 INTO last FROM "events" e
    WHERE e."user_id" = "person" AND e."type" = 'user.deleted' AND e."data"->>'guest' IS NULL;
  SELECT least(last, min(e."seq") + "batch" - 1) INTO upto FROM "events" e WHERE e."user_id" = "person";
  IF last IS NULL OR NOT "events_orphaned"("person", upto) THEN RETURN 0; END IF;
  INSERT INTO "event_anchors" AS a ("user_id", "seq", "hash", "at", "cut_at")
    SELECT e."user_id", e."seq", e."hash", e."at", now() FROM "events" e
    WHERE e."user_id" = "person" AND e."seq" = upto
    ON CONFLICT ("user_id") DO UPDATE SET "seq" = EXCLUDED."seq", "hash" = EXCLUDED."hash", "at" = EXCLUDED."at",
      "cut_at" = EXCLUDED."cut_at" WHERE a."seq" < EXCLUDED."seq";
  DELETE FROM "events" WHERE "user_id" = "person" AND "seq" <= upto;
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;

-- Each looks in its own schema alone; replacing a function takes that setting off.
DO $$
DECLARE guard text;
BEGIN
  FOREACH guard IN ARRAY ARRAY['events_orphaned(uuid, integer)', 'events_append_only()', 'event_anchors_guard()',
    'events_forget(uuid, integer)']
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
  END LOOP;
END $$;
