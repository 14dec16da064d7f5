"""Lists that somebody looks through page by page: what was asked for, and behind which row each page begins."""

from __future__ import annotations

import secrets
from sqlite3 import Connection

import msgspec

from bot.store.gallery import Place
from bot.store.records import Browse

KEPT_S = 30 * 24 * 3600.0  # buttons under older lists say that they are too old


def add(tx: Connection, member_id: int, asked: str, now: float) -> Browse:
    """A new one; those that nobody has looked at for a month go."""
    tx.execute("DELETE FROM browses WHERE seen_at < ?", (now - KEPT_S,))
    browse = Browse(id=secrets.token_hex(8), member_id=member_id, asked=asked)
    tx.execute("INSERT INTO browses VALUES (?, ?, ?, '[]', ?)", (browse.id, member_id, asked, now))
    return browse


def get(tx: Connection, browse_id: str, member_id: int) -> Browse | None:
    """The member's own, or None."""
    row = tx.execute(
        "SELECT id, member_id, asked, starts FROM browses WHERE id = ? AND member_id = ?", (browse_id, member_id)
    ).fetchone()  # fmt: skip
    if row is None:
        return None
    starts = msgspec.json.decode(row["starts"], type=tuple[Place, ...])
    return Browse(id=row["id"], member_id=row["member_id"], asked=row["asked"], starts=starts)


def note(tx: Connection, browse: Browse, starts: tuple[Place, ...], now: float) -> None:
    """How far it was looked through."""
    tx.execute(
        "UPDATE browses SET starts = ?, seen_at = ? WHERE id = ?",
        (msgspec.json.encode(starts).decode(), now, browse.id),
    )  # fmt: skip
