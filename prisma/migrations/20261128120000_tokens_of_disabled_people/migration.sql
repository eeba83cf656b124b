-- Disabling somebody ends their personal access tokens for good; of those who are disabled now they only slept.
UPDATE "personal_access_tokens" SET "revoked_at" = now()
WHERE "revoked_at" IS NULL AND "user_id" IN (SELECT "id" FROM "users" WHERE "status" = 'disabled');
