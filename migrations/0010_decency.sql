-- Reason: servers say who may do what, what may not be said, and what becomes of what was reported.

CREATE TABLE guild_settings (
    guild_id INTEGER PRIMARY KEY,
    settings TEXT NOT NULL,                                                  -- JSON of GuildSettings
    changed_by INTEGER NOT NULL,
    changed_at REAL NOT NULL
) STRICT;

CREATE TABLE blocked_members (
    guild_id INTEGER NOT NULL,
    member_id INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    blocked_by INTEGER NOT NULL,
    blocked_at REAL NOT NULL,
    PRIMARY KEY (guild_id, member_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocked_words (
    id INTEGER PRIMARY KEY,
    guild_id INTEGER NOT NULL,
    pattern TEXT NOT NULL,
    is_regex INTEGER NOT NULL DEFAULT 0 CHECK (is_regex IN (0, 1)),
    added_by INTEGER NOT NULL,
    added_at REAL NOT NULL,
    UNIQUE (guild_id, pattern, is_regex)
) STRICT;

CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    guild_id INTEGER NOT NULL,
    reporter_id INTEGER NOT NULL,
    adapter_id TEXT,                                                         -- either an adapter
    job_id TEXT,                                                             -- or a picture
    position INTEGER,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    decision TEXT CHECK (decision IN ('kept', 'taken_down')),
    decided_by INTEGER,
    decided_at REAL,
    message_id INTEGER,                                                      -- of the moderators' queue
    CHECK ((adapter_id IS NULL) <> (job_id IS NULL))
) STRICT;
CREATE INDEX reports_open ON reports (guild_id, created_at) WHERE decision IS NULL;
CREATE INDEX reports_by_adapter ON reports (adapter_id) WHERE adapter_id IS NOT NULL;
CREATE INDEX reports_by_picture ON reports (job_id, position) WHERE job_id IS NOT NULL;

ALTER TABLE pictures ADD COLUMN hidden_at REAL;                              -- reported: nobody is shown it until decided
ALTER TABLE pictures ADD COLUMN explicit INTEGER NOT NULL DEFAULT 0 CHECK (explicit IN (0, 1));  -- for age-restricted channels

ALTER TABLE jobs ADD COLUMN explicit_allowed INTEGER NOT NULL DEFAULT 0 CHECK (explicit_allowed IN (0, 1));
ALTER TABLE jobs ADD COLUMN refused INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1));        -- not to be shown
