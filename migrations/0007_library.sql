-- Reason: adapters get pages, versions, tags, likes, examples and parents; some are imported or merged, not trained. The
-- table of adapters is made anew, for its rows need numbers that stay: lists and the search's index refer to them.

CREATE TABLE new_adapters (
    number INTEGER PRIMARY KEY,                                              -- in the order in which they came
    id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL UNIQUE,
    owner_id INTEGER NOT NULL REFERENCES members (id),
    guild_id INTEGER,
    name TEXT NOT NULL COLLATE NOCASE,
    kind TEXT NOT NULL CHECK (kind IN ('lora', 'textual_inversion', 'checkpoint')),
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('subject', 'face', 'style')),
    trigger TEXT NOT NULL,
    class_word TEXT NOT NULL,
    base TEXT NOT NULL,
    base_hash TEXT NOT NULL,
    blob TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    photos INTEGER NOT NULL,
    seconds REAL NOT NULL,
    final_loss REAL NOT NULL,
    trainer_version TEXT NOT NULL,
    created_at REAL NOT NULL,
    method TEXT NOT NULL DEFAULT 'lora' CHECK (method IN ('lora', 'textual_inversion', 'pivotal', 'dreambooth')),
    weight_low REAL NOT NULL DEFAULT 0.6,                                    -- the recommended weights: from, best, to
    weight_best REAL NOT NULL DEFAULT 0.8,
    weight_high REAL NOT NULL DEFAULT 1.0,
    fidelity REAL,                                                           -- of a LoRA out of a whole model
    report TEXT NOT NULL DEFAULT '',
    candidates TEXT NOT NULL DEFAULT '[]',                                   -- JSON of the versions to choose from
    chosen INTEGER NOT NULL DEFAULT 0,                                       -- which of them it is
    choose_until REAL,                                                       -- then the other versions are deleted
    version INTEGER NOT NULL DEFAULT 1,                                      -- the one in use; others are in `versions`
    origin TEXT NOT NULL DEFAULT 'trained' CHECK (origin IN ('trained', 'imported', 'merged')),
    source TEXT,                                                             -- the address that it was imported from
    trigger_words TEXT NOT NULL DEFAULT '[]',                                -- JSON; of imported ones: offered, never forced
    identity TEXT,                                                           -- JSON of what an imported file says it is
    description TEXT NOT NULL DEFAULT '',
    credit INTEGER NOT NULL DEFAULT 1 CHECK (credit IN (0, 1)),              -- its owner is to be named
    commercial INTEGER NOT NULL DEFAULT 0 CHECK (commercial IN (0, 1)),      -- pictures may be sold
    derivatives INTEGER NOT NULL DEFAULT 1 CHECK (derivatives IN (0, 1)),    -- it may be merged
    age_restricted INTEGER NOT NULL DEFAULT 0 CHECK (age_restricted IN (0, 1)),
    cover_job TEXT,                                                          -- a picture of `pictures`; NULL: the newest example
    cover_position INTEGER,
    uses INTEGER NOT NULL DEFAULT 0,                                         -- jobs that were delivered with it, kept count
    likes INTEGER NOT NULL DEFAULT 0                                         -- rows of `likes`, kept count
) STRICT;
INSERT INTO new_adapters
SELECT NULL, *, 1, 'trained', NULL, '[]', NULL, '', 1, 0, 1, 0, NULL, NULL, 0, 0 FROM adapters ORDER BY created_at;
DROP TABLE adapters;
ALTER TABLE new_adapters RENAME TO adapters;
CREATE UNIQUE INDEX adapters_by_owner ON adapters (owner_id, name);
CREATE INDEX adapters_by_name ON adapters (name);
CREATE INDEX adapters_by_blob ON adapters (blob);
CREATE INDEX adapters_by_trigger ON adapters (trigger) WHERE kind = 'textual_inversion';

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
    parent_owner INTEGER NOT NULL,                                           -- its owner's id, which outlives it
    relation TEXT NOT NULL CHECK (relation IN ('merged', 'continued', 'extracted')),
    weight REAL,
    PRIMARY KEY (child_id, parent_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lineage_by_parent ON lineage (parent_id);

CREATE INDEX pictures_by_owner ON pictures (owner_id, created_at);
