"""What hangs in servers' showcases."""

from __future__ import annotations

from sqlite3 import Connection


def stars(tx: Connection, job_id: str, owner_id: int) -> dict[int, int]:
    """How many others than its owner keep each of a job's pictures, by position."""
    rows = tx.execute(
        "SELECT position, COUNT(*) FROM favourites WHERE job_id = ? AND member_id <> ? GROUP BY position",
        (job_id, owner_id),
    )
    return {row[0]: row[1] for row in rows}


def add(tx: Connection, guild_id: int, job_id: str, position: int, now: float) -> bool:
    """Note that it hangs there; False: it does already."""
    sql = "INSERT INTO showcased VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    return tx.execute(sql, (guild_id, job_id, position, now)).rowcount > 0


def remove(tx: Connection, guild_id: int, job_id: str, position: int) -> None:
    """It does not hang there."""
    tx.execute("DELETE FROM showcased WHERE guild_id = ? AND job_id = ? AND position = ?", (guild_id, job_id, position))
