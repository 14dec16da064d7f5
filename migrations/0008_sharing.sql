-- Reason: an adapter is shared with named members, a server, or everybody that this bot serves; the likeness of a real
-- person goes no further than named members until that person has agreed.

ALTER TABLE adapters ADD COLUMN likeness TEXT NOT NULL DEFAULT 'none'
    CHECK (likeness IN ('none', 'self', 'other'));                           -- of a real person: the owner, somebody else
ALTER TABLE adapters ADD COLUMN public_at REAL;                              -- since when every server of this bot has it
ALTER TABLE adapters ADD COLUMN hidden_at REAL;                              -- reported: its owner alone sees it until decided

-- whoever trained a face before this was never asked whose it is
UPDATE adapters SET likeness = 'other' WHERE subject_kind = 'face';
DELETE FROM shares WHERE adapter_id IN (SELECT id FROM adapters WHERE likeness <> 'none');

CREATE TABLE member_shares (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    member_id INTEGER NOT NULL,
    shared_at REAL NOT NULL,
    PRIMARY KEY (member_id, adapter_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_shares_by_adapter ON member_shares (adapter_id);

CREATE TABLE likeness_consents (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    member_id INTEGER NOT NULL,                                              -- the person whose likeness it is
    statement TEXT NOT NULL,                                                 -- the words that they agreed to
    given_at REAL NOT NULL,
    PRIMARY KEY (adapter_id, member_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX adapters_public ON adapters (name) WHERE public_at IS NOT NULL;
