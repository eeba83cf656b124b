-- Nothing ever read or wrote them: a round trip is in Redis, what Auth.js would keep of its links is closed, and settings are the environment's.
DROP TABLE "provider_requests";
DROP TABLE "verification_tokens";
DROP TABLE "settings";
