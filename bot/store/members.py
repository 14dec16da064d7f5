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
