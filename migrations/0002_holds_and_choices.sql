-- Reason: a training can wait for its member's answer, be paused, and be ended early; its photos may be kept for a
-- continuation; it makes several versions of an adapter, of which the member may choose another for a day. A textual
-- inversion is found by its trigger word at every prompt.

ALTER TABLE jobs ADD COLUMN held TEXT CHECK (held IN ('review', 'paused'));  -- it waits, and no worker may have it
ALTER TABLE jobs ADD COLUMN held_at REAL;
ALTER TABLE jobs ADD COLUMN wish TEXT CHECK (wish IN ('pause', 'finish'));   -- of the attempt in the workers' hands
ALTER TABLE jobs ADD COLUMN paused_step INTEGER;                             -- where a paused training stands
ALTER TABLE jobs ADD COLUMN paused_steps INTEGER;
ALTER TABLE jobs ADD COLUMN keep_photos_days INTEGER;                        -- after success; NULL: not at all
CREATE INDEX jobs_held ON jobs (held, held_at) WHERE held IS NOT NULL;

ALTER TABLE adapters ADD COLUMN method TEXT NOT NULL DEFAULT 'lora'
    CHECK (method IN ('lora', 'textual_inversion', 'pivotal', 'dreambooth'));
ALTER TABLE adapters ADD COLUMN weight_low REAL NOT NULL DEFAULT 0.6;        -- the recommended weights: from, best, to
ALTER TABLE adapters ADD COLUMN weight_best REAL NOT NULL DEFAULT 0.8;
ALTER TABLE adapters ADD COLUMN weight_high REAL NOT NULL DEFAULT 1.0;
ALTER TABLE adapters ADD COLUMN fidelity REAL;                               -- of a LoRA out of a whole model
ALTER TABLE adapters ADD COLUMN report TEXT NOT NULL DEFAULT '';
ALTER TABLE adapters ADD COLUMN candidates TEXT NOT NULL DEFAULT '[]';       -- JSON of the versions to choose from
ALTER TABLE adapters ADD COLUMN chosen INTEGER NOT NULL DEFAULT 0;           -- which of them it is
ALTER TABLE adapters ADD COLUMN choose_until REAL;                           -- then the other versions are deleted
CREATE INDEX adapters_by_trigger ON adapters (trigger) WHERE kind = 'textual_inversion';

-- what will not be needed from a certain time on is noted ahead, and deleted then
ALTER TABLE garbage RENAME COLUMN since TO due_at;

-- a CHECK can't be widened, so the table is made anew: the bot has to tell that a training was paused
CREATE TABLE new_outbox (
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    kind TEXT NOT NULL CHECK (kind IN ('delivered', 'failed', 'cancelled', 'ping', 'paused')),
    card_written INTEGER NOT NULL DEFAULT 1 CHECK (card_written IN (0, 1)),
    nonce TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (job_id, kind)
) STRICT;
INSERT INTO new_outbox SELECT * FROM outbox;
DROP TABLE outbox;
ALTER TABLE new_outbox RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (due_at);
