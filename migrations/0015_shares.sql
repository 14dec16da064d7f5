-- Reason: members get fair shares of the GPUs' seconds, and a queue of ten thousand is read by its head alone. Each job gets its
-- turn when it is accepted (bot/fairness.py says how), and the next job is the one with the lowest.

ALTER TABLE jobs ADD COLUMN turn REAL NOT NULL DEFAULT 0;           -- its start tag, in virtual seconds of its lane
ALTER TABLE jobs ADD COLUMN cost_s REAL NOT NULL DEFAULT 1 CHECK (cost_s >= 0);    -- GPU seconds: estimated, then measured
ALTER TABLE jobs ADD COLUMN spent_s REAL NOT NULL DEFAULT 0;        -- of it, by attempts that were broken off
ALTER TABLE jobs ADD COLUMN weight REAL NOT NULL DEFAULT 1 CHECK (weight > 0);     -- of its member's share

CREATE TABLE lane_turns (
    lane TEXT PRIMARY KEY,
    turn REAL NOT NULL                      -- the lane's virtual time: the highest turn that was handed out
) STRICT, WITHOUT ROWID;

CREATE TABLE turns (
    owner_id INTEGER NOT NULL REFERENCES members (id),
    lane TEXT NOT NULL,
    next REAL NOT NULL,                     -- the finish tag of the member's newest job: where their next one starts
    PRIMARY KEY (owner_id, lane)
) STRICT, WITHOUT ROWID;

-- for the dispatcher, who asks for the bases that have room; for places in the queue; for a member's own; for what is in hands
CREATE INDEX jobs_waiting ON jobs (lane, base, turn, created_at, id)
    WHERE state = 'queued' AND outstanding = 0 AND held IS NULL;
CREATE INDEX jobs_places ON jobs (lane, turn, created_at, id, card)
    WHERE state = 'queued' AND outstanding = 0 AND held IS NULL;
CREATE INDEX jobs_waiting_of_owner ON jobs (owner_id, lane, turn) WHERE state = 'queued' AND outstanding = 0;
CREATE INDEX jobs_outstanding ON jobs (state, lane) WHERE outstanding = 1;
DROP INDEX jobs_served;
