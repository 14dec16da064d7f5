"""What belongs to adapters besides their rows: tags, likes, uses, pictures that they made, parents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from bot.store.pictures import read_picture
from bot.store.records import Picture

# who sees a picture: as `pictures.may_see` of the service says, and nobody what was reported; a page can be opened in
# any channel, so that nothing explicit is on one
_SEEN = (
    "pictures.hidden_at IS NULL AND NOT pictures.explicit AND (pictures.owner_id = :viewer OR jobs.guild_id = :guild)"
)


def count_use(tx: Connection, adapter_ids: Iterable[str]) -> None:
    """A job was delivered that drew with these; each counts once."""
    tx.executemany("UPDATE adapters SET uses = uses + 1 WHERE id = ?", [(each,) for each in sorted(set(adapter_ids))])


def add_pictures(tx: Connection, made: Iterable[tuple[str, str, int]]) -> None:
    """Note (adapter, job, position) of pictures; adapters that are gone are left out, what is noted stays."""
    tx.executemany(
        "INSERT INTO adapter_pictures SELECT id, ?2, ?3 FROM adapters WHERE id = ?1 ON CONFLICT DO NOTHING", list(made)
    )


def examples(tx: Connection, adapter_id: str, viewer_id: int, guild_id: int | None, limit: int) -> list[Picture]:
    """Pictures that it made and that the viewer may see, the newest first."""
    rows = tx.execute(
        "SELECT pictures.* FROM adapter_pictures JOIN pictures USING (job_id, position)"
        f" JOIN jobs ON jobs.id = pictures.job_id WHERE adapter_id = :adapter AND {_SEEN}"
        " ORDER BY adapter_pictures.job_id DESC, position LIMIT :limit",
        {"adapter": adapter_id, "viewer": viewer_id, "guild": guild_id, "limit": limit},
    )
    return [read_picture(row) for row in rows]


def of_picture(tx: Connection, job_id: str, position: int) -> list[str]:
    """Ids of the adapters that made a picture."""
    rows = tx.execute(
        "SELECT adapter_id FROM adapter_pictures WHERE job_id = ? AND position = ?", (job_id, position)
    )  # fmt: skip
    return [row[0] for row in rows]


def picture(tx: Connection, job_id: str, position: int) -> Picture | None:
    """A picture that may be on a page, neither reported nor explicit; or None."""
    rows = tx.execute(
        "SELECT * FROM pictures WHERE job_id = ? AND position = ? AND hidden_at IS NULL AND NOT explicit",
        (job_id, position),
    ).fetchall()
    return read_picture(rows[0]) if rows else None


def set_cover(tx: Connection, adapter_id: str, job_id: str | None, position: int | None) -> None:
    """Which picture its page shows; None: the newest example."""
    tx.execute(
        "UPDATE adapters SET cover_job = ?, cover_position = ? WHERE id = ?", (job_id, position, adapter_id)
    )  # fmt: skip


def tags(tx: Connection, adapter_id: str) -> tuple[str, ...]:
    """In the order of the alphabet."""
    rows = tx.execute("SELECT tag FROM tags WHERE adapter_id = ? ORDER BY tag", (adapter_id,))
    return tuple(row[0] for row in rows)


def set_tags(tx: Connection, adapter_id: str, wanted: Sequence[str]) -> None:
    """These and no others."""
    tx.execute("DELETE FROM tags WHERE adapter_id = ?", (adapter_id,))
    tx.executemany("INSERT INTO tags VALUES (?, ?) ON CONFLICT DO NOTHING", [(tag, adapter_id) for tag in wanted])


def complete_tag(tx: Connection, typed: str, viewer_id: int, guild_id: int | None, limit: int) -> list[str]:
    """Tags that begin so, in the order of the alphabet: of the viewer's own, and of what they are shown.

    From each tag to the next by the index, whatever many adapters have it; the lists of a gallery say whom it is shown.
    """
    rows = tx.execute(
        "WITH RECURSIVE found (tag) AS ("
        " SELECT min(tag) FROM tags WHERE tag >= :from UNION ALL"
        " SELECT (SELECT min(tag) FROM tags WHERE tags.tag > found.tag) FROM found WHERE found.tag < :to)"
        " SELECT tag FROM found WHERE tag < :to AND ("
        " EXISTS (SELECT 1 FROM listed WHERE audience = 0 AND facet = '#' || lower(found.tag))"
        " OR EXISTS (SELECT 1 FROM listed WHERE audience = :guild AND facet = '#' || lower(found.tag))"
        " OR EXISTS (SELECT 1 FROM adapters JOIN tags ON tags.adapter_id = adapters.id"
        " WHERE adapters.owner_id = :viewer AND tags.tag = found.tag)) LIMIT :limit",
        {"from": typed, "to": typed + "\U0010ffff", "viewer": viewer_id, "guild": guild_id, "limit": limit},
    )
    return [row[0] for row in rows]


def likes(tx: Connection, adapter_id: str, member_id: int) -> bool:
    """Whether the member likes it."""
    found = tx.execute("SELECT 1 FROM likes WHERE member_id = ? AND adapter_id = ?", (member_id, adapter_id))
    return found.fetchone() is not None


def toggle_like(tx: Connection, adapter_id: str, member_id: int, now: float) -> bool:
    """Like it, or no longer; whether the member does now. The count is kept with the adapter."""
    gone = tx.execute("DELETE FROM likes WHERE member_id = ? AND adapter_id = ?", (member_id, adapter_id)).rowcount
    if not gone:
        tx.execute("INSERT INTO likes VALUES (?, ?, ?)", (member_id, adapter_id, now))
    tx.execute("UPDATE adapters SET likes = likes + ? WHERE id = ?", (-1 if gone else 1, adapter_id))
    return not gone
