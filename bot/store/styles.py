"""Styles: members' own, and those of guilds. Names are the same whatever their case."""

from __future__ import annotations

from sqlite3 import Connection, Row

from bot.store.records import Style

_SELECT = "SELECT styles.*, members.name AS owner_name FROM styles JOIN members ON members.id = styles.owner_id"
_OWN = "(styles.guild_id IS NULL AND styles.owner_id = :member)"
_ORDER = "ORDER BY styles.guild_id IS NOT NULL, styles.name COLLATE NOCASE"
_NAMED = "styles.name = :name COLLATE NOCASE"


def _style(row: Row) -> Style:
    return Style(**dict(row))


def visible(tx: Connection, guild_id: int | None, member_id: int) -> list[Style]:
    """A member's own by name, then those of the guild."""
    where = f"{_OWN} OR styles.guild_id = :guild"
    values = {"guild": guild_id, "member": member_id}
    return [_style(row) for row in tx.execute(f"{_SELECT} WHERE {where} {_ORDER}", values)]


def find(tx: Connection, guild_id: int | None, member_id: int, name: str) -> Style | None:
    """The guild's style of that name; without a guild, the member's own. None: there is none."""
    where = _OWN if guild_id is None else "styles.guild_id = :guild"
    values = {"guild": guild_id, "member": member_id, "name": name}
    row = tx.execute(f"{_SELECT} WHERE {where} AND {_NAMED}", values).fetchone()
    return _style(row) if row else None


def insert(tx: Connection, style: Style) -> int:
    """A new style, whose id is returned. Its name must be free, and its owner known."""
    cursor = tx.execute(
        "INSERT INTO styles (guild_id, owner_id, name, prompt, negative_prompt, settings, changed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            style.guild_id, style.owner_id, style.name, style.prompt, style.negative_prompt, style.settings,
            style.changed_at,
        ),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def update(tx: Connection, style: Style) -> None:
    """Another content for a style, found by its id; whose it is stays."""
    tx.execute(
        "UPDATE styles SET name = ?, prompt = ?, negative_prompt = ?, settings = ?, changed_at = ? WHERE id = ?",
        (style.name, style.prompt, style.negative_prompt, style.settings, style.changed_at, style.id),
    )


def delete(tx: Connection, style_id: int) -> None:
    """Delete a style."""
    tx.execute("DELETE FROM styles WHERE id = ?", (style_id,))
