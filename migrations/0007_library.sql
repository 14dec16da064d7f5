-- Reason: adapters get pages, versions, tags, likes, examples and parents; some are imported or merged, not trained.

ALTER TABLE adapters ADD COLUMN version INTEGER NOT NULL DEFAULT 1;          -- the newest; older ones are in `versions`
ALTER TABLE adapters ADD COLUMN origin TEXT NOT NULL DEFAULT 'trained' CHECK (origin IN ('trained', 'imported', 'merged'));
ALTER TABLE adapters ADD COLUMN source TEXT;                                 -- the address that it was imported from
ALTER TABLE adapters ADD COLUMN trigger_words TEXT NOT NULL DEFAULT '[]';    -- JSON; of imported ones: offered, never forced
ALTER TABLE adapters ADD COLUMN identity TEXT;                               -- JSON of what an imported file says it is
ALTER TABLE adapters ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE adapters ADD COLUMN credit INTEGER NOT NULL DEFAULT 1 CHECK (credit IN (0, 1));            -- its owner is to be named
ALTER TABLE adapters ADD COLUMN commercial INTEGER NOT NULL DEFAULT 0 CHECK (commercial IN (0, 1));    -- pictures may be sold
ALTER TABLE adapters ADD COLUMN derivatives INTEGER NOT NULL DEFAULT 1 CHECK (derivatives IN (0, 1));  -- it may be merged
ALTER TABLE adapters ADD COLUMN age_restricted INTEGER NOT NULL DEFAULT 0 CHECK (age_restricted IN (0, 1));
ALTER TABLE adapters ADD COLUMN cover_job TEXT;                              -- a picture of `pictures`; NULL: the newest example
ALTER TABLE adapters ADD COLUMN cover_position INTEGER;
ALTER TABLE adapters ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;             -- jobs that were delivered with it, kept count
ALTER TABLE adapters ADD COLUMN likes INTEGER NOT NULL DEFAULT 0;            -- rows of `likes`, kept count

CREATE TABLE versions (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    blob TEXT NOT NULL,
    adapter TEXT NOT NULL,                                                   -- JSON of the record, as it was
    created_at REAL NOT NULL,
    PRIMARY KEY (adapter_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_by_blob ON versions (blob);

CREATE TABLE tags (
    tag TEXT NOT NULL COLLATE NOCASE,
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    PRIMARY KEY (tag, adapter_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_adapter ON tags (adapter_id);

CREATE TABLE likes (
    member_id INTEGER NOT NULL,
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    created_at REAL NOT NULL,
    PRIMARY KEY (member_id, adapter_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX likes_by_adapter ON likes (adapter_id);

-- which pictures an adapter has made: its examples, and the way from a picture to its adapters
CREATE TABLE adapter_pictures (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    job_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (adapter_id, job_id, position),
    FOREIGN KEY (job_id, position) REFERENCES pictures (job_id, position) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX adapter_pictures_by_picture ON adapter_pictures (job_id, position);

CREATE TABLE lineage (
    child_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    parent_id TEXT NOT NULL,                                                 -- may be deleted; the name stays
    parent_name TEXT NOT NULL,                                               -- owner/name@version, as it was
    relation TEXT NOT NULL CHECK (relation IN ('merged', 'continued', 'extracted')),
    weight REAL,
    PRIMARY KEY (child_id, parent_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lineage_by_parent ON lineage (parent_id);

CREATE INDEX pictures_by_owner ON pictures (owner_id, created_at);
