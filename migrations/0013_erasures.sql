-- Reason: a member may have everything deleted that Darkroom has of them; what is in workers' hands has to end first, and
-- messages are deleted one by one, so that what is under way is written down.

CREATE TABLE erasures (
    member_id INTEGER PRIMARY KEY,
    asked_at REAL NOT NULL,
    erased_at REAL,                         -- the rows are gone; files and messages are what is left
    jobs TEXT NOT NULL DEFAULT '[]',        -- JSON: ids, under which files and Redis keys are named
    blobs TEXT NOT NULL DEFAULT '[]',       -- JSON: files, deleted unless somebody else's row is the same file
    messages TEXT NOT NULL DEFAULT '[]'     -- JSON: pairs of a channel and a message
) STRICT;

-- what a server keeps stays the server's when who made it has gone
INSERT INTO members VALUES (0, 'somebody who left', 0.0) ON CONFLICT DO NOTHING;
