"""Finding adapters by what is typed: for autocomplete by the beginning of a name, for `/search` by words.

Both look only among what the viewer is shown (the index of words says it of every row), take a bounded number of
candidates, and order those: sorting all that match would take longer the more there are. A typing error is forgiven:
names that differ by one are found by their beginnings with a character left out (`migrations/0011_catalogue.sql`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from sqlite3 import Connection, Row

import msgspec

from bot.store import adapters, gallery
from bot.store.records import Adapter

MOST_FOUND = 200  # of one search; who looks for more says more
MOST_TYPED = 100
_MOST_WORDS = 8
_AT_ONCE = 100  # candidates out of each list
_NEAR = 500  # candidates that may be meant by a typing error
_NEXT = "\U0010ffff"  # behind all that begin with a text
# by how many digits the count of an adapter's uses has; what is used most is looked at first
_FAME = ("f5 OR f6 OR f7 OR f8", "f4", "f3", "f2", "f1")
_FORGIVEN_FROM = 4  # characters
_TWO_FORGIVEN_FROM = 8


def complete(tx: Connection, typed: str, viewer_id: int, guild_id: int | None, limit: int) -> list[Adapter]:
    """What a viewer may mean by the beginning of a name, or of ``owner/name``.

    Their own come first, then what was shared with them by name, with their server, with everybody; of each the exact
    name, then what is used most. What they may have mistyped comes last.
    """
    owner, slash, name = typed.strip().lower()[:MOST_TYPED].rpartition("/")
    if slash:
        numbers = _of_owner(tx, owner, name)
    elif name:
        numbers = _beginning(tx, name, viewer_id, guild_id)
    else:
        numbers = _own(tx, "", viewer_id)
    found = adapters.of_numbers(tx, numbers, viewer_id, guild_id)
    shown = [found[number] for number in dict.fromkeys(numbers) if number in found]
    if not slash and not name:
        known = {adapter.id for adapter in shown}
        popular = gallery.page(tx, gallery.Asked(sort="used"), viewer_id, guild_id, limit=limit)
        shown += [adapter for _, adapter in popular if adapter.id not in known]
    if len(shown) < limit and not slash and len(name) >= _FORGIVEN_FROM:
        shown += near(tx, name, viewer_id, guild_id, without={adapter.id for adapter in shown})
    return shown[:limit]


def search(tx: Connection, typed: str, viewer_id: int, guild_id: int | None) -> list[int]:
    """Numbers of the adapters in whose name, tags, trigger words, description or owner's name all words begin a word.

    At most :data:`MOST_FOUND`, the likeliest first.
    """
    words = re.findall(r"\w+", typed.lower()[:MOST_TYPED])[:_MOST_WORDS]
    if not words:
        return []
    seen = " OR ".join(_audiences(viewer_id, guild_id))
    wanted = " AND ".join(f"words : {_begins(word)}" for word in words)
    numbers: list[int] = []
    for fame in _FAME:
        query = f"({wanted}) AND seen : ({seen}) AND seen : ({fame})"
        rows = tx.execute(
            "SELECT rowid FROM adapter_words WHERE adapter_words MATCH ? ORDER BY rowid DESC LIMIT ?",
            (query, MOST_FOUND - len(numbers)),
        )
        numbers += [row[0] for row in rows]
        if len(numbers) >= MOST_FOUND:
            break
    ranked = _rank(tx, numbers, words, viewer_id, guild_id)
    if len(ranked) < _AT_ONCE:
        known = set(ranked)
        for word in words:
            ranked += [number for number, _ in _near(tx, word, viewer_id, guild_id) if number not in known]
    return list(dict.fromkeys(ranked))[:MOST_FOUND]


def near(
    tx: Connection, name: str, viewer_id: int, guild_id: int | None, *, without: Collection[str] = ()
) -> list[Adapter]:  # fmt: skip
    """What the viewer may have meant by a name that is not there, the nearest first."""
    numbers = [number for number, _ in _near(tx, name, viewer_id, guild_id)][:_AT_ONCE]
    found = adapters.of_numbers(tx, numbers, viewer_id, guild_id)
    return [found[number] for number in numbers if number in found and found[number].id not in without]


def distance(typed: str, name: str) -> int:
    """In how many characters ``typed`` differs from the nearest beginning of ``name``, two that are swapped being one.

    The optimal string alignment of Damerau's errors, with the end of ``name`` free.
    """
    before: list[int] = []
    last = list(range(len(name) + 1))
    for row, character in enumerate(typed, 1):
        current = [row]
        for column, other in enumerate(name, 1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (character != other))
            swapped = row > 1 and column > 1 and typed[row - 2] == other and name[column - 2] == character
            if swapped:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, last = last, current
    return min(last)


# -- names ------------------------------------------------------------------------------------------------------------


def _beginning(tx: Connection, name: str, viewer_id: int, guild_id: int | None) -> list[int]:
    numbers = _own(tx, name, viewer_id)
    named = tx.execute(
        "SELECT number, name, uses FROM member_shares JOIN adapters ON adapters.id = member_shares.adapter_id"
        " WHERE member_shares.member_id = ? AND name >= ? AND name < ?",
        (viewer_id, name, name + _NEXT),
    )
    numbers += _best(named, name)
    for audience in (*([guild_id] if guild_id is not None else []), 0):
        listed = tx.execute(
            "SELECT begun.number, begun.name, uses FROM (SELECT name, number FROM named"
            " WHERE audience = ? AND name >= ? AND name < ? LIMIT ?) AS begun"
            " JOIN adapters ON adapters.number = begun.number",
            (audience, name, name + _NEXT, _AT_ONCE),
        )
        numbers += _best(listed, name)
    return numbers


def _own(tx: Connection, name: str, viewer_id: int) -> list[int]:
    rows = tx.execute(
        "SELECT number FROM adapters WHERE owner_id = ? AND name >= ? AND name < ?"
        " ORDER BY name <> ?, created_at DESC LIMIT ?",
        (viewer_id, name, name + _NEXT, name, _AT_ONCE),
    )
    return [row[0] for row in rows]


def _of_owner(tx: Connection, owner: str, name: str) -> list[int]:
    rows = tx.execute(
        "SELECT number, adapters.name, uses FROM members JOIN adapters ON adapters.owner_id = members.id"
        " WHERE members.name = ? AND adapters.name >= ? AND adapters.name < ? LIMIT ?",
        (owner, name, name + _NEXT, _AT_ONCE),
    )
    return _best(rows, name)


def _best(rows: Iterable[Row], name: str) -> list[int]:
    """The exact name, then what is used most."""
    return [row[0] for row in sorted(rows, key=lambda row: (row[1].lower() != name, -row[2], row[1]))]


def _near(tx: Connection, name: str, viewer_id: int, guild_id: int | None) -> list[tuple[int, int]]:
    """(number, distance) of adapters whose names begin nearly like that, the nearest first."""
    if len(name) < _FORGIVEN_FROM:
        return []
    longest = max(length for length in (4, 5, 6, 8) if length <= len(name))
    start = name[:longest]
    variants = {start, *(start[:place] + start[place + 1 :] for place in range(longest))}
    variants = {each for each in variants if re.fullmatch(r"[a-z0-9_-]+", each)}
    if not variants:
        return []
    query = "({}) AND ({})".format(
        " OR ".join(f'"{each}"' for each in sorted(variants)),
        " OR ".join(f'":{each}"' for each in _audiences(viewer_id, guild_id)),
    )
    rows = tx.execute(
        "SELECT number, name, uses FROM"
        " (SELECT rowid FROM adapter_near WHERE adapter_near MATCH :query LIMIT :most) AS near"
        f" CROSS JOIN adapters ON adapters.number = near.rowid WHERE {adapters.VISIBLE}",
        {"query": query, "most": _NEAR, "viewer": viewer_id, "guild": guild_id},
    )
    most = 2 if len(name) >= _TWO_FORGIVEN_FROM else 1
    measured = [(distance(name, row[1].lower()), -row[2], row[0]) for row in rows]
    return [(number, far) for far, _, number in sorted(measured) if far <= most]


# -- words ------------------------------------------------------------------------------------------------------------


def _audiences(viewer_id: int, guild_id: int | None) -> list[str]:
    """How the index says whom a row is shown to."""
    return [f"m{viewer_id}", *([f"g{guild_id}"] if guild_id is not None else []), "p"]


def _begins(word: str) -> str:
    return f'"{word}"' if len(word) == 1 else f'"{word}" *'  # a letter alone begins nearly everything


def _rank(tx: Connection, numbers: list[int], words: list[str], viewer_id: int, guild_id: int | None) -> list[int]:
    """Those that the viewer can use: names that are what was typed, then those that have the words, then by use."""
    rows = tx.execute(
        "SELECT number, name, uses, likes FROM adapters"
        f" WHERE number IN (SELECT value FROM json_each(:numbers)) AND {adapters.VISIBLE}",
        {"numbers": msgspec.json.encode(numbers).decode(), "viewer": viewer_id, "guild": guild_id},
    )

    def merit(row: Row) -> tuple[bool, int, int, int, int]:
        parts = re.findall(r"[a-z0-9]+", row[1].lower())
        held = sum(any(part.startswith(word) for part in parts) for word in words)
        return parts != words, -held, -row[2], -row[3], -row[0]

    return [row[0] for row in sorted(rows, key=merit)]
