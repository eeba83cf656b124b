-- A history of years does not go in the time that one statement has: its person was never erased, nor was anybody after
-- them. It goes in parts now, after its person, and what a crash leaves is found again by the event that says they are
-- gone. Whatever is noted of them after that event takes nothing from this. Guests' histories stay, as before.
CREATE INDEX "events_ended_idx" ON "events" ("user_id", "seq") WHERE "type" = 'user.deleted' AND "data"->>'guest' IS NULL;

CREATE OR REPLACE FUNCTION "events_orphaned"("person" uuid, "upto" integer) RETURNS boolean LANGUAGE sql STABLE AS $$
  -- The last one is found from the end of the history, whichever index is taken; "a later one" would be looked for in all of it.
  SELECT NOT EXISTS (SELECT 1 FROM "users" u WHERE u."id" = "person") AND coalesce((
    SELECT max(e."seq") FROM "events" e WHERE e."user_id" = "person" AND e."type" = 'user.deleted'
      AND e."data"->>'guest' IS NULL) > "upto", false)
$$;

-- Cuts off the oldest `batch` events of somebody who is gone, up to the one that says so. Says how many events went.
DROP FUNCTION "events_forget"(uuid);
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
  FOREACH guard IN ARRAY ARRAY['events_orphaned(uuid, integer)', 'events_forget(uuid, integer)']
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
  END LOOP;
END $$;
