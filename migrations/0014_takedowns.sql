-- Reason: what was taken down must not come back as another copy of the same file.

CREATE TABLE takedowns (
    blob TEXT NOT NULL,                     -- the file's path, which is its hash
    guild_id INTEGER NOT NULL,              -- whose moderators decided
    everywhere INTEGER NOT NULL CHECK (everywhere IN (0, 1)),  -- it was made there, and not brought from elsewhere
    decided_by INTEGER NOT NULL,
    decided_at REAL NOT NULL,
    PRIMARY KEY (blob, guild_id)
) STRICT, WITHOUT ROWID;
