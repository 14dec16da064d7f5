-- Reason: an adapter is shared with named members, a server, or everybody that this bot serves; the likeness of a real
-- person goes no further than named members until that person has agreed.

ALTER TABLE adapters ADD COLUMN likeness TEXT NOT NULL DEFAULT 'none'
    CHECK (likeness IN ('none', 'self', 'other'));                           -- of a real person: the owner, somebody else
ALTER TABLE adapters ADD COLUMN agreed_at REAL;                              -- since when somebody else's likeness has their word
ALTER TABLE adapters ADD COLUMN public_at REAL;                              -- since when every server of this bot has it
ALTER TABLE adapters ADD COLUMN hidden_at REAL;                              -- reported: its owner alone sees it until decided

-- whoever trained a face before this was never asked whose it is
UPDATE adapters SET likeness = 'other' WHERE subject_kind = 'face';
DELETE FROM shares WHERE adapter_id IN (SELECT id FROM adapters WHERE likeness <> 'none');

-- asked at /train, and recorded with the rest of what the member states there
ALTER TABLE consents ADD COLUMN likeness TEXT NOT NULL DEFAULT 'none' CHECK (likeness IN ('none', 'self', 'other'));

CREATE TABLE member_shares (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    member_id INTEGER NOT NULL,
    shared_at REAL NOT NULL,
    PRIMARY KEY (member_id, adapter_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_shares_by_adapter ON member_shares (adapter_id);

-- what moderators have taken back from their server, which its owner can't share there again
CREATE TABLE barred (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    guild_id INTEGER NOT NULL,
    barred_by INTEGER NOT NULL,
    barred_at REAL NOT NULL,
    PRIMARY KEY (guild_id, adapter_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX barred_by_adapter ON barred (adapter_id);

CREATE TABLE likeness_consents (
    adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
    member_id INTEGER NOT NULL,                                              -- the person whose likeness it is
    guild_id INTEGER,                                                        -- where they were asked
    statement TEXT NOT NULL,                                                 -- the words that they are asked to agree to
    asked_at REAL NOT NULL,
    given_at REAL,                                                           -- they agreed
    refused_at REAL,                                                         -- they did not, or do not any more
    PRIMARY KEY (adapter_id, member_id),
    CHECK (given_at IS NULL OR refused_at IS NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX likeness_consents_by_member ON likeness_consents (member_id);

CREATE INDEX adapters_public ON adapters (name) WHERE public_at IS NOT NULL;
