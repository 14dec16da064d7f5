-- Reason: the main job needs members, consents, jobs, adapters with their shares, pictures, an outbox for what Discord
-- has still to be told, blobs that wait for their deletion, and the bases that workers have offered.

CREATE TABLE members (
    id INTEGER PRIMARY KEY,                 -- snowflake
    name TEXT NOT NULL COLLATE NOCASE,      -- Discord's unique user name, as last seen
    seen_at REAL NOT NULL
) STRICT;
CREATE INDEX members_by_name ON members (name);

CREATE TABLE consents (
    job_id TEXT PRIMARY KEY,                -- of the interaction; the job itself may never have come to be
    member_id INTEGER NOT NULL REFERENCES members (id),
    guild_id INTEGER,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('subject', 'face', 'style')),
    statement TEXT NOT NULL,
    given_at REAL NOT NULL
) STRICT;

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,                    -- the interaction's snowflake: accepting twice changes nothing
    lane TEXT NOT NULL CHECK (lane IN ('imagine', 'train')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    base TEXT NOT NULL,
    spec TEXT NOT NULL,                     -- JSON of TrainSpec or ImagineSpec
    adapter_name TEXT COLLATE NOCASE,       -- of a training: reserves the name while it waits and runs
    owner_id INTEGER NOT NULL REFERENCES members (id),
    guild_id INTEGER,
    channel_id INTEGER NOT NULL,
    upload_limit_bytes INTEGER NOT NULL,
    token TEXT,
    card TEXT NOT NULL DEFAULT 'pending' CHECK (card IN ('pending', 'posted', 'private', 'lost')),
    message_id INTEGER,
    card_posted_at REAL,
    attempt INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    outstanding INTEGER NOT NULL DEFAULT 0 CHECK (outstanding IN (0, 1)),
    created_at REAL NOT NULL,
    handed_out_at REAL,
    started_at REAL,
    finished_at REAL,
    cancel_requested_at REAL,
    error TEXT,
    reference TEXT,
    photos_deleted_at REAL
) STRICT;
CREATE UNIQUE INDEX jobs_reserved_name ON jobs (owner_id, adapter_name)
    WHERE adapter_name IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX jobs_active ON jobs (lane, created_at) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_owner ON jobs (owner_id, created_at);
CREATE INDEX jobs_served ON jobs (owner_id, lane, handed_out_at);
CREATE INDEX jobs_with_photos ON jobs (finished_at) WHERE lane = 'train' AND photos_deleted_at IS NULL;

CREATE TABLE adapters (
    id TEXT PRIMARY KEY,
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
    created_at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX adapters_by_owner ON adapters (owner_id, name);
CREATE INDEX adapters_by_name ON adapters (name);
CREATE INDEX adapters_by_blob ON adapters (blob);

CREATE TABLE shares (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    guild_id INTEGER NOT NULL,
    shared_at REAL NOT NULL,
    PRIMARY KEY (guild_id, adapter_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX shares_by_adapter ON shares (adapter_id);

CREATE TABLE pictures (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    position INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    blob TEXT NOT NULL,
    filename TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    seed INTEGER,
    parameters TEXT NOT NULL,
    settings TEXT NOT NULL,                 -- JSON
    created_at REAL NOT NULL,
    PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX pictures_by_blob ON pictures (blob);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    kind TEXT NOT NULL CHECK (kind IN ('delivered', 'failed', 'cancelled', 'ping')),
    card_written INTEGER NOT NULL DEFAULT 1 CHECK (card_written IN (0, 1)),
    nonce TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (job_id, kind)
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE garbage (
    blob TEXT PRIMARY KEY,                  -- deleted once no adapter, picture or active job names it
    since REAL NOT NULL
) STRICT;

CREATE TABLE bases (
    name TEXT PRIMARY KEY,
    info TEXT NOT NULL,                     -- JSON of BaseInfo, as a worker offered it last
    seen_at REAL NOT NULL
) STRICT;
