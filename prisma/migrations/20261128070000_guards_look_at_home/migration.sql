-- What guards the past named its tables and functions without a schema, so whoever set a search_path or made a temporary
-- table of the same name (which Postgres finds first) could show it an anchor that was none, or a shorter "young". From
-- now on each looks in its own schema alone; temporary tables come last.
DO $$
DECLARE guard text;
BEGIN
  FOREACH guard IN ARRAY ARRAY['events_keep()', 'events_link()', 'events_append_only()', 'event_anchors_guard()',
    'events_expire(timestamptz, integer)']
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
  END LOOP;
END $$;
