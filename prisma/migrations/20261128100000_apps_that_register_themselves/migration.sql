-- An API that apps which registered themselves may ask for too.
ALTER TABLE resources ADD COLUMN open boolean NOT NULL DEFAULT false;
