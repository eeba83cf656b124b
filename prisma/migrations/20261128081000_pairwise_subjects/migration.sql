-- What must stay the same for as long as the data lives, and be guessed by nobody: made once, here.
CREATE TABLE salts (
  name text PRIMARY KEY,
  value text NOT NULL
);
INSERT INTO salts (name, value)
VALUES ('pairwise', encode(sha256((gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text)::bytea), 'hex'));
