-- The clean-up walks guests by when they were last signed in; there are few beside the people.
CREATE INDEX "users_guests_idx" ON "users" ((COALESCE("last_seen_at", "created_at")), "id") WHERE "is_anonymous";
