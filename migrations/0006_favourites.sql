-- Reason: a member keeps pictures to find them again; a picture that is deleted is nobody's favourite any more.

CREATE TABLE favourites (
    member_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (member_id, job_id, position),
    FOREIGN KEY (job_id, position) REFERENCES pictures (job_id, position) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX favourites_by_picture ON favourites (job_id, position);
