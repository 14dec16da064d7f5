"""Favourites: which pictures a member keeps. They go with the pictures."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from bot.store.records import Favourite

_SEEN = (
    "FROM favourites JOIN jobs ON jobs.id = favourites.job_id"
    " WHERE favourites.member_id = :member AND (jobs.owner_id = :member OR jobs.guild_id = :guild)"
)


def add(tx: Connection, member_id: int, job_id: str, positions: Iterable[int], now: float) -> None:
    """Keep these pictures of a job; those that are kept stay as they are."""
    tx.executemany(
        "INSERT INTO favourites VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(member_id, job_id, position, now) for position in positions],
    )


def remove(tx: Connection, member_id: int, job_id: str, positions: Iterable[int]) -> None:
    """Keep them no longer."""
    tx.executemany(
        "DELETE FROM favourites WHERE member_id = ? AND job_id = ? AND position = ?",
        [(member_id, job_id, position) for position in positions],
    )


def positions(tx: Connection, member_id: int, job_id: str) -> set[int]:
    """Which pictures of a job the member keeps."""
    rows = tx.execute("SELECT position FROM favourites WHERE member_id = ? AND job_id = ?", (member_id, job_id))
    return {row[0] for row in rows}


def count(tx: Connection, member_id: int) -> int:
    """How many pictures the member keeps, wherever they were drawn."""
    return int(tx.execute("SELECT COUNT(*) FROM favourites WHERE member_id = ?", (member_id,)).fetchone()[0])


def count_seen(tx: Connection, member_id: int, guild_id: int | None) -> int:
    """How many of them are the member's own, or were drawn in that server."""
    values = {"member": member_id, "guild": guild_id}
    return int(tx.execute(f"SELECT COUNT(*) {_SEEN}", values).fetchone()[0])


def seen(tx: Connection, member_id: int, guild_id: int | None, *, offset: int, limit: int) -> list[Favourite]:
    """Those, the newest first."""
    rows = tx.execute(
        f"SELECT favourites.job_id, favourites.position, favourites.created_at {_SEEN}"
        " ORDER BY favourites.created_at DESC, favourites.job_id DESC, favourites.position LIMIT :limit OFFSET :offset",
        {"member": member_id, "guild": guild_id, "limit": limit, "offset": offset},
    )
    return [Favourite(**dict(row)) for row in rows]
