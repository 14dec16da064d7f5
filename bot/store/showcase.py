"""What hangs in servers' showcases."""

from __future__ import annotations

from sqlite3 import Connection

from bot.store.records import Hung


def stars(tx: Connection, job_id: str, owner_id: int) -> dict[int, int]:
    """How many others than its owner keep each of a job's pictures, by position."""
    rows = tx.execute(
        "SELECT position, COUNT(*) FROM favourites WHERE job_id = ? AND member_id <> ? GROUP BY position",
        (job_id, owner_id),
    )
    return {row[0]: row[1] for row in rows}


def add(tx: Connection, guild_id: int, job_id: str, position: int, now: float) -> bool:
    """Note that it hangs there; False: it does already."""
    sql = "INSERT INTO showcased (guild_id, job_id, position, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    return tx.execute(sql, (guild_id, job_id, position, now)).rowcount > 0


def hang(tx: Connection, guild_id: int, job_id: str, position: int, channel_id: int, message_id: int) -> None:
    """Note the message that shows it."""
    tx.execute(
        "UPDATE showcased SET channel_id = ?, message_id = ? WHERE guild_id = ? AND job_id = ? AND position = ?",
        (channel_id, message_id, guild_id, job_id, position),
    )


def fallen(tx: Connection) -> list[Hung]:
    """What still hangs there, though the picture was deleted or reported."""
    rows = tx.execute(
        "SELECT guild_id, job_id, position, showcased.channel_id, showcased.message_id"
        " FROM showcased LEFT JOIN pictures USING (job_id, position)"
        " WHERE showcased.message_id IS NOT NULL AND (pictures.blob IS NULL OR pictures.hidden_at IS NOT NULL)"
    )
    return [Hung(**dict(row)) for row in rows]


def remove(tx: Connection, guild_id: int, job_id: str, position: int) -> None:
    """It does not hang there."""
    tx.execute("DELETE FROM showcased WHERE guild_id = ? AND job_id = ? AND position = ?", (guild_id, job_id, position))
