"""Pictures that jobs have made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Connection, Row

import msgspec

from bot.store.records import Picture


def read_picture(row: Row) -> Picture:
    """A row of the table of pictures."""
    fields = dict(row)
    fields["settings"] = msgspec.json.decode(fields["settings"])
    fields["explicit"] = bool(fields["explicit"])
    return Picture(**fields)


def insert_all(tx: Connection, pictures: Iterable[Picture]) -> None:
    """Insert pictures; those that are there already stay as they are."""
    for picture in pictures:
        fields = msgspec.structs.asdict(picture)
        fields["settings"] = msgspec.json.encode(picture.settings).decode()
        marks = ", ".join(f":{key}" for key in fields)
        tx.execute(f"INSERT INTO pictures ({', '.join(fields)}) VALUES ({marks}) ON CONFLICT DO NOTHING", fields)


def of_job(tx: Connection, job_id: str) -> list[Picture]:
    """A job's pictures in order."""
    rows = tx.execute("SELECT * FROM pictures WHERE job_id = ? ORDER BY position", (job_id,))
    return [read_picture(row) for row in rows]


def unkept_before(tx: Connection, before: float, limit: int = 500) -> list[str]:
    """Jobs whose pictures were all made before that time, and are nobody's favourites and no adapter's cover."""
    rows = tx.execute(
        "SELECT job_id FROM pictures WHERE created_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM favourites WHERE favourites.job_id = pictures.job_id)"
        " AND NOT EXISTS (SELECT 1 FROM adapters WHERE adapters.cover_job = pictures.job_id)"
        " GROUP BY job_id ORDER BY min(created_at) LIMIT ?",
        (before, limit),
    )
    return [row[0] for row in rows]


def orders(tx: Connection, owner_id: int, *, offset: int, limit: int) -> list[tuple[str, int]]:
    """Jobs of a member whose pictures are there, with how many, the newest first."""
    rows = tx.execute(
        "SELECT job_id, COUNT(*) FROM pictures WHERE owner_id = ? GROUP BY job_id"
        " ORDER BY MAX(created_at) DESC, job_id DESC LIMIT ? OFFSET ?",
        (owner_id, limit, offset),
    )
    return [(row[0], row[1]) for row in rows]


def delete_of_job(tx: Connection, job_id: str) -> None:
    """Delete the rows; the files are the caller's to throw away."""
    tx.execute("DELETE FROM pictures WHERE job_id = ?", (job_id,))


def blobs_in_use(tx: Connection, blobs: Sequence[str]) -> set[str]:
    """Those of ``blobs`` that some picture still is."""
    every = msgspec.json.encode(blobs).decode()
    return {
        row[0]
        for row in tx.execute("SELECT blob FROM pictures WHERE blob IN (SELECT value FROM json_each(?))", (every,))
    }
