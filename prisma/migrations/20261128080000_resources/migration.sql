-- APIs that access tokens can be made for (RFC 8707): who they are, what may be allowed there, and what their tokens look like.
CREATE TABLE resources (
  id text PRIMARY KEY,
  name text NOT NULL,
  scopes jsonb NOT NULL DEFAULT '[]',
  format text NOT NULL,
  algorithm text NOT NULL,
  lifetime_seconds integer,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now()
);
