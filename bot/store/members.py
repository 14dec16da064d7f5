"""Members: who they are by name, so that ``ada/thnos`` finds its adapter."""

from __future__ import annotations

from sqlite3 import Connection


def remember(tx: Connection, member_id: int, name: str, now: float) -> None:
    """Note the member's present user name."""
    tx.execute(
        "INSERT INTO members (id, name, seen_at) VALUES (?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at",
        (member_id, name, now),
    )


def of_name(tx: Connection, name: str) -> int | None:
    """The id of the member who was last seen under that user name, or None."""
    row = tx.execute("SELECT id FROM members WHERE name = ? ORDER BY seen_at DESC LIMIT 1", (name,)).fetchone()
    return None if row is None else int(row[0])
