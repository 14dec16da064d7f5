-- Reason: merges, extractions and smaller exports are jobs of a lane of their own. A CHECK can't be widened, so the table
-- of jobs is made anew (foreign keys are off while a migration runs, and checked before it is committed).

CREATE TABLE new_jobs (
    id TEXT PRIMARY KEY,                    -- the interaction's snowflake: accepting twice changes nothing
    lane TEXT NOT NULL CHECK (lane IN ('imagine', 'train', 'merge')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    base TEXT NOT NULL,
    spec TEXT NOT NULL,                     -- JSON of TrainSpec, ImagineSpec or MergeSpec
    adapter_name TEXT COLLATE NOCASE,       -- of what makes an adapter: reserves the name while it waits and runs
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
    photos_deleted_at REAL,
    held TEXT CHECK (held IN ('review', 'paused')),  -- it waits, and no worker may have it
    held_at REAL,
    wish TEXT CHECK (wish IN ('pause', 'finish')),   -- of the attempt in the workers' hands
    paused_step INTEGER,                             -- where a paused training stands
    paused_steps INTEGER,
    keep_photos_days INTEGER,                        -- after success; NULL: not at all
    wish_step INTEGER NOT NULL DEFAULT 0             -- how far it was when that was wished
) STRICT;
INSERT INTO new_jobs SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

CREATE UNIQUE INDEX jobs_reserved_name ON jobs (owner_id, adapter_name)
    WHERE adapter_name IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX jobs_active ON jobs (lane, created_at) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_owner ON jobs (owner_id, created_at);
CREATE INDEX jobs_served ON jobs (owner_id, lane, handed_out_at);
CREATE INDEX jobs_with_photos ON jobs (finished_at) WHERE lane = 'train' AND photos_deleted_at IS NULL;
CREATE INDEX jobs_held ON jobs (held, held_at) WHERE held IS NOT NULL;
CREATE INDEX jobs_by_message ON jobs (message_id) WHERE message_id IS NOT NULL;
