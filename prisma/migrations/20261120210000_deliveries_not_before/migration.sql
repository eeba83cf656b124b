-- What is owed for later: a reminder is owed with the change that makes it due.
ALTER TABLE "deliveries" ADD COLUMN "not_before" TIMESTAMPTZ(3);
