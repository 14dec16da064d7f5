-- Reason: `/models` says how many adapters each model has; to count them among a million at every look would take long.

CREATE TABLE base_counts (
    base TEXT PRIMARY KEY,
    adapters INTEGER NOT NULL               -- of all members, whole models left out; kept by the triggers below
) STRICT, WITHOUT ROWID;

INSERT INTO base_counts SELECT base, COUNT(*) FROM adapters WHERE kind <> 'checkpoint' GROUP BY base;

CREATE TRIGGER base_counts_insert AFTER INSERT ON adapters WHEN new.kind <> 'checkpoint' BEGIN
    INSERT INTO base_counts VALUES (new.base, 1) ON CONFLICT (base) DO UPDATE SET adapters = adapters + 1;
END;
CREATE TRIGGER base_counts_delete AFTER DELETE ON adapters WHEN old.kind <> 'checkpoint' BEGIN
    UPDATE base_counts SET adapters = adapters - 1 WHERE base = old.base;
END;
CREATE TRIGGER base_counts_leave AFTER UPDATE OF base, kind ON adapters
WHEN old.kind <> 'checkpoint' AND (old.base, old.kind) IS NOT (new.base, new.kind)
BEGIN
    UPDATE base_counts SET adapters = adapters - 1 WHERE base = old.base;
END;
CREATE TRIGGER base_counts_enter AFTER UPDATE OF base, kind ON adapters
WHEN new.kind <> 'checkpoint' AND (old.base, old.kind) IS NOT (new.base, new.kind)
BEGIN
    INSERT INTO base_counts VALUES (new.base, 1) ON CONFLICT (base) DO UPDATE SET adapters = adapters + 1;
END;
