"""The lists that prompts choose from: a guild's, and in direct messages a member's own."""

from __future__ import annotations

from sqlite3 import Connection, Row

from bot.store.records import Wildcard

_SELECT = (
    "SELECT wildcards.*, members.name AS owner_name FROM wildcards JOIN members ON members.id = wildcards.owner_id"
)
_KEPT = "(guild_id = :guild OR (:guild IS NULL AND guild_id IS NULL AND owner_id = :member))"


def _wildcard(row: Row) -> Wildcard:
    fields = dict(row)
    return Wildcard(lines=tuple(fields.pop("text").split("\n")), **fields)


def kept(tx: Connection, guild_id: int | None, member_id: int) -> list[Wildcard]:
    """A guild's lists by name; without a guild, the member's own."""
    values = {"guild": guild_id, "member": member_id}
    return [_wildcard(row) for row in tx.execute(f"{_SELECT} WHERE {_KEPT} ORDER BY wildcards.name", values)]


def find(tx: Connection, guild_id: int | None, member_id: int, name: str) -> Wildcard | None:
    """The list of that name, or None."""
    values = {"guild": guild_id, "member": member_id, "name": name}
    row = tx.execute(f"{_SELECT} WHERE {_KEPT} AND wildcards.name = :name", values).fetchone()
    return _wildcard(row) if row else None


def insert(tx: Connection, guild_id: int | None, member_id: int, name: str, lines: tuple[str, ...], now: float) -> None:
    """A new list. Its name must be free there, and its member known."""
    tx.execute(
        "INSERT INTO wildcards (guild_id, owner_id, name, text, changed_at) VALUES (?, ?, ?, ?, ?)",
        (guild_id, member_id, name, "\n".join(lines), now),
    )


def update(tx: Connection, wildcard_id: int, lines: tuple[str, ...], now: float) -> None:
    """Other lines for a list; whose it is stays."""
    tx.execute("UPDATE wildcards SET text = ?, changed_at = ? WHERE id = ?", ("\n".join(lines), now, wildcard_id))


def delete(tx: Connection, wildcard_id: int) -> None:
    """Delete a list."""
    tx.execute("DELETE FROM wildcards WHERE id = ?", (wildcard_id,))
