-- Reason: a gallery has to show any page of a million adapters at once, and a search has to find among them. So what may be
-- shown to whom is written down as lists in the order in which they are shown, and as an index of words. Triggers keep them:
-- whatever changes an adapter, its shares or its tags, they are right. They say where to look, and never who may see: that
-- is asked again of every row that they lead to.

-- a model of a kind has a shelf of its own, so that a gallery of any kinds and models is a few lists, merged
CREATE TABLE shelves (
    id INTEGER PRIMARY KEY,
    base TEXT NOT NULL,
    kind TEXT NOT NULL,
    UNIQUE (base, kind)
) STRICT;

CREATE TABLE listed (
    audience INTEGER NOT NULL,              -- a guild; 0: everybody
    facet TEXT NOT NULL,                    -- '': all; '@7': those of member 7; '#cat': those with the tag cat
    sort INTEGER NOT NULL,                  -- 0: new, 1: used, 2: liked
    shelf INTEGER NOT NULL,
    key INTEGER NOT NULL,                   -- when it was made, its uses, its likes
    number INTEGER NOT NULL,                -- of the adapter
    PRIMARY KEY (audience, facet, sort, shelf, key, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE named (
    audience INTEGER NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (audience, name, number)
) STRICT, WITHOUT ROWID;

CREATE VIEW adapter_audiences AS
SELECT adapters.number, adapters.id AS adapter_id, lower(adapters.name) AS name, audience.value AS audience
FROM adapters, json_each((
    SELECT json_group_array(guild) FROM (
        SELECT guild_id AS guild FROM shares WHERE shares.adapter_id = adapters.id
        AND (adapters.likeness <> 'other' OR adapters.agreed_at IS NOT NULL)
        UNION ALL SELECT 0 WHERE adapters.public_at IS NOT NULL AND adapters.likeness = 'none'
    )
)) AS audience
WHERE adapters.hidden_at IS NULL;

CREATE VIEW adapter_lists AS
SELECT
    audience.audience, facet.value AS facet, sort.value AS sort, shelves.id AS shelf,
    CASE sort.value WHEN 0 THEN CAST(adapters.created_at AS INTEGER) WHEN 1 THEN adapters.uses ELSE adapters.likes END AS key,
    adapters.number, adapters.id AS adapter_id
FROM adapters
CROSS JOIN shelves ON shelves.base = adapters.base AND shelves.kind = adapters.kind
CROSS JOIN adapter_audiences AS audience ON audience.number = adapters.number
CROSS JOIN json_each((
    SELECT json_group_array(facet) FROM (
        SELECT '' AS facet UNION ALL SELECT '@' || adapters.owner_id
        UNION ALL SELECT '#' || lower(tag) FROM tags WHERE tags.adapter_id = adapters.id
    )
)) AS facet
CROSS JOIN json_each('[0, 1, 2]') AS sort;

-- Who is shown it stands among the words, so that a search can look at nothing else: :p everybody, :g a guild, :m a member;
-- and :f how many digits the count of its uses has, so that what is used most is found first without sorting all that match.
CREATE VIEW adapter_texts AS
SELECT
    adapters.number, adapters.id AS adapter_id, adapters.name,
    replace(
        adapters.name || ' ' || adapters.trigger || ' ' || adapters.trigger_words || ' ' || members.name || ' '
        || coalesce((SELECT group_concat(tag, ' ') FROM tags WHERE tags.adapter_id = adapters.id), '') || ' '
        || adapters.description, ':', ' '
    ) AS words,
    ':f' || length(adapters.uses) || ' :m' || adapters.owner_id || CASE WHEN adapters.hidden_at IS NULL THEN
        coalesce((SELECT group_concat(CASE audience WHEN 0 THEN ' :p' ELSE ' :g' || audience END, '')
                  FROM adapter_audiences WHERE adapter_audiences.number = adapters.number), '')
        || coalesce((SELECT group_concat(' :m' || member_id, '') FROM member_shares
                     WHERE member_shares.adapter_id = adapters.id), '')
    ELSE '' END AS seen
FROM adapters CROSS JOIN members ON members.id = adapters.owner_id;

-- What the beginnings of a name are with one character left out: two that differ by one character too many, too few, wrong,
-- or by two in each other's place, have one of these in common (the "symmetric delete" of Wolf Garbe).
CREATE VIEW adapter_misspellings AS
SELECT
    number, adapter_id,
    (SELECT group_concat(substr(name, 1, place.value - 1) || substr(name, place.value + 1, longest.value - place.value), ' ')
     FROM json_each('[4, 5, 6, 8]') AS longest, json_each('[1, 2, 3, 4, 5, 6, 7, 8]') AS place
     WHERE place.value <= min(longest.value, length(name)))
    || ' ' || (SELECT group_concat(substr(name, 1, value), ' ') FROM json_each('[4, 5, 6, 8]'))
    || ' ' || seen AS tokens
FROM adapter_texts;

CREATE VIRTUAL TABLE adapter_words USING fts5(
    tokens, content = '', prefix = '2 3 4 5 6 7 8', detail = none,
    tokenize = "unicode61 remove_diacritics 2 tokenchars ':'"
);
CREATE VIRTUAL TABLE adapter_near USING fts5(
    tokens, content = '', detail = none,
    tokenize = "unicode61 tokenchars '-_:'"
);

-- deleting from it takes an adapter out of all of these, and inserting puts it in, as it then is
CREATE VIEW indexed AS SELECT id AS adapter_id FROM adapters;

-- row by row, for SQLite looks up no more than the first column of a list of rows
CREATE TRIGGER adapter_lists_delete INSTEAD OF DELETE ON adapter_lists BEGIN
    DELETE FROM listed WHERE audience = old.audience AND facet = old.facet AND sort = old.sort AND shelf = old.shelf
    AND key = old.key AND number = old.number;
END;
CREATE TRIGGER adapter_lists_update INSTEAD OF UPDATE OF key ON adapter_lists BEGIN
    UPDATE listed SET key = new.key WHERE audience = old.audience AND facet = old.facet AND sort = old.sort
    AND shelf = old.shelf AND key = old.key AND number = old.number;
END;
CREATE TRIGGER adapter_audiences_delete INSTEAD OF DELETE ON adapter_audiences BEGIN
    DELETE FROM named WHERE audience = old.audience AND name = old.name AND number = old.number;
END;

CREATE TRIGGER indexed_delete INSTEAD OF DELETE ON indexed BEGIN
    DELETE FROM adapter_lists WHERE adapter_id = old.adapter_id;
    DELETE FROM adapter_audiences WHERE adapter_id = old.adapter_id;
    INSERT INTO adapter_words (adapter_words, rowid, tokens)
    SELECT 'delete', number, words || ' ' || seen FROM adapter_texts WHERE adapter_id = old.adapter_id;
    INSERT INTO adapter_near (adapter_near, rowid, tokens)
    SELECT 'delete', number, tokens FROM adapter_misspellings WHERE adapter_id = old.adapter_id;
END;

CREATE TRIGGER indexed_insert INSTEAD OF INSERT ON indexed BEGIN
    INSERT INTO shelves (base, kind)
    SELECT base, kind FROM adapters WHERE id = new.adapter_id
    AND NOT EXISTS (SELECT 1 FROM shelves WHERE shelves.base = adapters.base AND shelves.kind = adapters.kind);
    INSERT INTO listed
    SELECT audience, facet, sort, shelf, key, number FROM adapter_lists WHERE adapter_id = new.adapter_id;
    INSERT INTO named SELECT audience, name, number FROM adapter_audiences WHERE adapter_id = new.adapter_id;
    INSERT INTO adapter_words (rowid, tokens)
    SELECT number, words || ' ' || seen FROM adapter_texts WHERE adapter_id = new.adapter_id;
    INSERT INTO adapter_near (rowid, tokens)
    SELECT number, tokens FROM adapter_misspellings WHERE adapter_id = new.adapter_id;
END;

CREATE TRIGGER adapters_indexed_insert AFTER INSERT ON adapters BEGIN
    INSERT INTO indexed VALUES (new.id);
END;
CREATE TRIGGER adapters_indexed_delete BEFORE DELETE ON adapters BEGIN
    DELETE FROM indexed WHERE adapter_id = old.id;
END;
CREATE TRIGGER adapters_indexed_update_before BEFORE UPDATE ON adapters
WHEN (old.name, old.description, old.trigger, old.trigger_words, old.owner_id, old.base, old.kind, old.created_at,
      old.public_at, old.hidden_at,
      old.likeness, old.agreed_at, length(old.uses))
IS NOT (new.name, new.description, new.trigger, new.trigger_words, new.owner_id, new.base, new.kind, new.created_at,
        new.public_at, new.hidden_at,
        new.likeness, new.agreed_at, length(new.uses))
BEGIN
    DELETE FROM indexed WHERE adapter_id = old.id;
END;
CREATE TRIGGER adapters_indexed_update_after AFTER UPDATE ON adapters
WHEN (old.name, old.description, old.trigger, old.trigger_words, old.owner_id, old.base, old.kind, old.created_at,
      old.public_at, old.hidden_at,
      old.likeness, old.agreed_at, length(old.uses))
IS NOT (new.name, new.description, new.trigger, new.trigger_words, new.owner_id, new.base, new.kind, new.created_at,
        new.public_at, new.hidden_at,
        new.likeness, new.agreed_at, length(new.uses))
BEGIN
    INSERT INTO indexed VALUES (new.id);
END;
-- counts change at every picture: then only the lists that they sort are written
CREATE TRIGGER adapters_counted BEFORE UPDATE ON adapters
WHEN (old.uses, old.likes) IS NOT (new.uses, new.likes)
AND (old.name, old.description, old.trigger, old.trigger_words, old.owner_id, old.base, old.kind, old.created_at,
     old.public_at, old.hidden_at,
      old.likeness, old.agreed_at, length(old.uses))
IS (new.name, new.description, new.trigger, new.trigger_words, new.owner_id, new.base, new.kind, new.created_at,
    new.public_at, new.hidden_at,
        new.likeness, new.agreed_at, length(new.uses))
BEGIN
    UPDATE adapter_lists SET key = CASE sort WHEN 1 THEN new.uses ELSE new.likes END
    WHERE adapter_id = old.id AND sort > 0;
END;

CREATE TRIGGER tags_indexed_insert_before BEFORE INSERT ON tags
WHEN NOT EXISTS (SELECT 1 FROM tags WHERE tag = new.tag AND adapter_id = new.adapter_id)
BEGIN
    DELETE FROM indexed WHERE adapter_id = new.adapter_id;
END;
CREATE TRIGGER tags_indexed_insert_after AFTER INSERT ON tags BEGIN
    INSERT INTO indexed VALUES (new.adapter_id);
END;
CREATE TRIGGER tags_indexed_delete_before BEFORE DELETE ON tags BEGIN
    DELETE FROM indexed WHERE adapter_id = old.adapter_id;
END;
CREATE TRIGGER tags_indexed_delete_after AFTER DELETE ON tags BEGIN
    INSERT INTO indexed VALUES (old.adapter_id);
END;

CREATE TRIGGER shares_indexed_insert_before BEFORE INSERT ON shares
WHEN NOT EXISTS (SELECT 1 FROM shares WHERE guild_id = new.guild_id AND adapter_id = new.adapter_id)
BEGIN
    DELETE FROM indexed WHERE adapter_id = new.adapter_id;
END;
CREATE TRIGGER shares_indexed_insert_after AFTER INSERT ON shares BEGIN
    INSERT INTO indexed VALUES (new.adapter_id);
END;
CREATE TRIGGER shares_indexed_delete_before BEFORE DELETE ON shares BEGIN
    DELETE FROM indexed WHERE adapter_id = old.adapter_id;
END;
CREATE TRIGGER shares_indexed_delete_after AFTER DELETE ON shares BEGIN
    INSERT INTO indexed VALUES (old.adapter_id);
END;

CREATE TRIGGER member_shares_indexed_insert_before BEFORE INSERT ON member_shares
WHEN NOT EXISTS (SELECT 1 FROM member_shares WHERE member_id = new.member_id AND adapter_id = new.adapter_id)
BEGIN
    DELETE FROM indexed WHERE adapter_id = new.adapter_id;
END;
CREATE TRIGGER member_shares_indexed_insert_after AFTER INSERT ON member_shares BEGIN
    INSERT INTO indexed VALUES (new.adapter_id);
END;
CREATE TRIGGER member_shares_indexed_delete_before BEFORE DELETE ON member_shares BEGIN
    DELETE FROM indexed WHERE adapter_id = old.adapter_id;
END;
CREATE TRIGGER member_shares_indexed_delete_after AFTER DELETE ON member_shares BEGIN
    INSERT INTO indexed VALUES (old.adapter_id);
END;

CREATE TRIGGER members_indexed_update_before BEFORE UPDATE OF name ON members WHEN old.name IS NOT new.name BEGIN
    DELETE FROM indexed WHERE adapter_id IN (SELECT id FROM adapters WHERE owner_id = old.id);
END;
CREATE TRIGGER members_indexed_update_after AFTER UPDATE OF name ON members WHEN old.name IS NOT new.name BEGIN
    INSERT INTO indexed SELECT id FROM adapters WHERE owner_id = new.id;
END;

-- what was there before
INSERT INTO indexed SELECT id FROM adapters;

-- a list that somebody looks through page by page: what was asked for, and where each page begins
CREATE TABLE browses (
    id TEXT PRIMARY KEY,                    -- in the buttons
    member_id INTEGER NOT NULL,
    asked TEXT NOT NULL,                    -- JSON
    starts TEXT NOT NULL,                   -- JSON: after which (key, number) the second page begins, the third, …
    seen_at REAL NOT NULL
) STRICT;
CREATE INDEX browses_by_time ON browses (seen_at);

-- pictures that a server's members have starred so often that they hang in its showcase; each once
CREATE TABLE showcased (
    guild_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    created_at REAL NOT NULL,
    channel_id INTEGER,                     -- the message that shows it, which outlives the picture until it is taken
    message_id INTEGER,                     -- down, too; NULL: it is being put there
    PRIMARY KEY (guild_id, job_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX showcased_by_picture ON showcased (job_id, position);
