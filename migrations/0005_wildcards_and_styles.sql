-- Reason: servers and members keep lists that prompts choose from, and styles that are put into prompts.

CREATE TABLE wildcards (
    id INTEGER PRIMARY KEY,
    guild_id INTEGER,                                                        -- NULL: its owner's own, in direct messages
    owner_id INTEGER NOT NULL REFERENCES members (id),                       -- who made it
    name TEXT NOT NULL,
    text TEXT NOT NULL,                                                      -- an entry a line
    changed_at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX wildcards_of_guild ON wildcards (guild_id, name) WHERE guild_id IS NOT NULL;
CREATE UNIQUE INDEX wildcards_of_member ON wildcards (owner_id, name) WHERE guild_id IS NULL;

CREATE TABLE styles (
    id INTEGER PRIMARY KEY,
    guild_id INTEGER,                                                        -- NULL: its owner's own, everywhere
    owner_id INTEGER NOT NULL REFERENCES members (id),                       -- who made it
    name TEXT NOT NULL,
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    settings TEXT NOT NULL,                                                  -- A1111's text form
    changed_at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX styles_of_guild ON styles (guild_id, name) WHERE guild_id IS NOT NULL;
CREATE UNIQUE INDEX styles_of_member ON styles (owner_id, name) WHERE guild_id IS NULL;
