-- Reason: a training whose member wanted it ended early, and whose worker was lost, begins anew: the next attempt has to
-- know how far the first had come, to end there and not at once.

ALTER TABLE jobs ADD COLUMN wish_step INTEGER NOT NULL DEFAULT 0;            -- how far it was when that was wished
