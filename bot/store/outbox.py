"""The outbox: what Discord has still to be told."""

from __future__ import annotations

from sqlite3 import Connection

from bot.store.records import Note, NoteKind


def add(tx: Connection, job_id: str, kind: NoteKind, now: float, *, card_written: bool = True) -> None:
    """Add a note; a job has one of a kind."""
    tx.execute(
        "INSERT INTO outbox (job_id, kind, card_written, nonce, due_at, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (job_id, kind) DO NOTHING",
        (job_id, kind, int(card_written), f"p{job_id}"[:25], now, now),
    )


def due(tx: Connection, now: float, limit: int = 50) -> list[Note]:
    """Notes that are due, oldest first."""
    rows = tx.execute("SELECT * FROM outbox WHERE due_at <= ? ORDER BY id LIMIT ?", (now, limit))
    return [Note(**{**dict(row), "card_written": bool(row["card_written"])}) for row in rows]


def next_due_at(tx: Connection) -> float | None:
    """When the next note is due, or None."""
    found = tx.execute("SELECT MIN(due_at) FROM outbox").fetchone()[0]
    return None if found is None else float(found)


def delete(tx: Connection, note_id: int) -> None:
    """It has been told."""
    tx.execute("DELETE FROM outbox WHERE id = ?", (note_id,))


def postpone(tx: Connection, note_id: int, due_at: float) -> None:
    """Telling failed; try again then."""
    tx.execute("UPDATE outbox SET tries = tries + 1, due_at = ? WHERE id = ?", (due_at, note_id))
