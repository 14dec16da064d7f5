"""Finding adapters by what is typed: for autocomplete by the beginning of a name, for `/search` by words.

Both take a bounded number of candidates, keep those that the viewer can use, and order them: sorting all that match
would take longer the more there are. Where few of the candidates are left, they are taken among what the viewer is
shown, which the index says of every row; that list is long, so it is not asked first. A typing error is forgiven: names
that differ by one are found by their beginnings with a character left out (`migrations/0011_catalogue.sql`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from sqlite3 import Connection, Row

import msgspec

from bot.store import adapters, gallery
from bot.store.records import Adapter

MOST_FOUND = 120  # by each way of a search; who looks for more says more
MOST_TYPED = 100
_MOST_WORDS = 8
_AT_ONCE = 60  # candidates out of each list
_NEAR = 100  # candidates that may be meant by a typing error
_MANY = 60  # more than anybody pages through
_FEW = 10  # less than a page: then words may be beginnings
_NEXT_TO_NONE = 3  # then they may be mistyped
_MOST_MISTYPED = 2  # words of a search
_NEXT = "\U0010ffff"  # behind all that begin with a text
_FAMOUS = '":f3" OR ":f4" OR ":f5" OR ":f6" OR ":f7" OR ":f8"'  # used a hundred times and more
_INDEXED = 8  # characters of beginnings that have an index
# as the index parts texts; to it these vowels of New Tai Lue are no letters
_WORD = re.compile(r"[^\W_\u19b0-\u19c9]+")
_FORGIVEN_FROM = 4  # characters
_TWO_FORGIVEN_FROM = 8


def complete(tx: Connection, typed: str, viewer_id: int, guild_id: int | None, limit: int) -> list[Adapter]:
    """What a viewer may mean by the beginning of a name, or of ``owner/name``.

    Their own come first, then what was shared with them by name, with their server, with everybody; of each the exact
    name, then what is used most. What they may have mistyped comes last.
    """
    owner, slash, name = typed.strip().lower()[:MOST_TYPED].rpartition("/")
    if slash:
        return _shown(tx, _of_owner(tx, owner, name), viewer_id, guild_id, limit)
    if not name:
        shown = _shown(tx, _own(tx, "", viewer_id), viewer_id, guild_id, limit)
        known = {adapter.id for adapter in shown}
        popular = gallery.page(tx, gallery.Asked(sort="used"), viewer_id, guild_id, limit=limit)
        return [*shown, *(adapter for _, adapter in popular if adapter.id not in known)][:limit]
    numbers = _beginning(tx, name, viewer_id, guild_id)
    shown = _shown(tx, numbers, viewer_id, guild_id, limit)
    if len(shown) < limit:
        nearly = [number for number in _near(tx, name, viewer_id, guild_id) if number not in numbers]
        shown += _shown(tx, nearly, viewer_id, guild_id, limit - len(shown))
    return shown


def near(tx: Connection, name: str, viewer_id: int, guild_id: int | None, limit: int) -> list[Adapter]:
    """What the viewer may have meant by a name that is not there, the nearest first."""
    return _shown(tx, _near(tx, name, viewer_id, guild_id), viewer_id, guild_id, limit)


def search(tx: Connection, typed: str, viewer_id: int, guild_id: int | None) -> list[int]:
    """Numbers of the adapters in whose name, tags, trigger words, description or owner's name all words are.

    At most :data:`MOST_FOUND`, the likeliest first. Where few have them, words are taken for beginnings, too, and then
    for names that were mistyped.
    """
    words = _WORD.findall(typed.lower()[:MOST_TYPED])[:_MOST_WORDS]
    if not words:
        return []
    whole = " AND ".join(f'"{word}"' for word in words)
    numbers = _matching(tx, whole, viewer_id, guild_id)
    if len(numbers) >= _MANY:  # there may be more: what is used much is looked for by itself
        numbers += _matching(tx, f"{whole} AND ({_FAMOUS})", viewer_id, guild_id, newest=False)
    if len(numbers) < _FEW:
        numbers += _matching(tx, " AND ".join(map(_begins, words)), viewer_id, guild_id)
    ranked = _rank(tx, list(dict.fromkeys(numbers)), words)
    if len(ranked) < _NEXT_TO_NONE:
        for word in words[:_MOST_MISTYPED]:
            ranked += _near(tx, word, viewer_id, guild_id)
    return list(dict.fromkeys(ranked))[:MOST_FOUND]


def _shown(tx: Connection, numbers: Iterable[int], viewer_id: int, guild_id: int | None, limit: int) -> list[Adapter]:
    """The first ``limit`` of these that the viewer can use, each once."""
    left, shown = list(dict.fromkeys(numbers)), list[Adapter]()
    while left and len(shown) < limit:
        some, left = left[: limit - len(shown)], left[limit - len(shown) :]
        found = adapters.of_numbers(tx, some, viewer_id, guild_id)
        shown += [found[number] for number in some if number in found]
    return shown


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


def _near(tx: Connection, name: str, viewer_id: int, guild_id: int | None) -> list[int]:
    """Adapters that the viewer can use and whose names begin nearly like that, the nearest first."""
    if len(name) < _FORGIVEN_FROM:
        return []
    longest = max(length for length in (4, 5, 6, 8) if length <= len(name))
    start = name[:longest]
    variants = {start, *(start[:place] + start[place + 1 :] for place in range(longest))}
    variants = {each for each in variants if re.fullmatch(r"[a-z0-9_-]+", each)}
    if not variants:
        return []
    query = " OR ".join(f'"{each}"' for each in sorted(variants))
    found, nearly = _candidates(tx, query, name)
    usable = adapters.usable_of(tx, nearly, viewer_id, guild_id)
    if found == _NEAR and not usable:  # as in a search
        _, nearly = _candidates(tx, f"({query}) AND ({_seen(viewer_id, guild_id)})", name)
        usable = adapters.usable_of(tx, nearly, viewer_id, guild_id)
    return [number for number in nearly if number in usable]


def _candidates(tx: Connection, query: str, name: str) -> tuple[int, list[int]]:
    """How many names match, and those that are near enough, the nearest first and then what is used most."""
    rows = tx.execute(
        "SELECT number, name, uses FROM"
        " (SELECT rowid FROM adapter_near WHERE adapter_near MATCH :query LIMIT :most) AS near"
        " CROSS JOIN adapters ON adapters.number = near.rowid",
        {"query": query, "most": _NEAR},
    )
    most = 2 if len(name) >= _TWO_FORGIVEN_FROM else 1
    measured = sorted((distance(name, row[1].lower(), most), -row[2], row[0]) for row in rows)
    return len(measured), [number for far, _, number in measured if far <= most]


def distance(typed: str, name: str, most: int) -> int:
    """In how many characters ``typed`` differs from the nearest beginning of ``name``; ``most`` + 1 if in more.

    One that is too many, missing or wrong counts, and so do two that are swapped (Damerau). What is the same at the
    beginning costs nothing in the best way, either, so that only errors branch.
    """
    same = next((place for place, (one, other) in enumerate(zip(typed, name, strict=False)) if one != other), None)
    if same is None:
        same = min(len(typed), len(name))
    if same == len(typed):
        return 0
    if not most:
        return 1
    typed, name = typed[same:], name[same:]
    ways = [(typed[1:], name)] + ([(typed[1:], name[1:]), (typed, name[1:])] if name else [])
    if len(typed) > 1 and typed[:2] == name[1::-1]:
        ways.append((typed[2:], name[2:]))
    return 1 + min(distance(*way, most - 1) for way in ways)


# -- words ------------------------------------------------------------------------------------------------------------


def _seen(viewer_id: int, guild_id: int | None) -> str:
    """How the indexes say whom a row is shown to."""
    return " OR ".join(filter(None, (f'":m{viewer_id}"', "" if guild_id is None else f'":g{guild_id}"', '":p"')))


def _matching(
    tx: Connection, query: str, viewer_id: int, guild_id: int | None, *, newest: bool = True
) -> list[int]:  # fmt: skip
    """What matches and can be used by the viewer, the newest first; not ``newest``: any, which is quicker.

    Most of what matches can be seen by most, so that is looked at first: the list of all that everybody sees is long.
    """
    found = _match(tx, query, newest=newest)
    usable = adapters.usable_of(tx, found, viewer_id, guild_id)
    if len(found) == MOST_FOUND and len(usable) < _MANY:
        found = _match(tx, f"({query}) AND ({_seen(viewer_id, guild_id)})", newest=newest)
        usable = adapters.usable_of(tx, found, viewer_id, guild_id)
    return [number for number in found if number in usable]


def _match(tx: Connection, query: str, *, newest: bool) -> list[int]:
    order = "ORDER BY rowid DESC " if newest else ""
    rows = tx.execute(
        f"SELECT rowid FROM adapter_words WHERE adapter_words MATCH ? {order}LIMIT ?", (query, MOST_FOUND)
    )
    return [row[0] for row in rows]


def _begins(word: str) -> str:
    """A letter alone begins nearly everything; of long words the beginning is enough, which has an index."""
    return f'"{word}"' if len(word) == 1 else f'"{word[:_INDEXED]}" *'


def _rank(tx: Connection, numbers: list[int], words: list[str]) -> list[int]:
    """Names that are what was typed, then those that have the words, then by use."""
    rows = tx.execute(
        "SELECT number, name, uses, likes FROM adapters WHERE number IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(numbers).decode(),),
    )

    def merit(row: Row) -> tuple[bool, int, int, int, int]:
        parts = re.findall(r"[a-z0-9]+", row[1].lower())
        held = sum(any(part.startswith(word) for part in parts) for word in words)
        return parts != words, -held, -row[2], -row[3], -row[0]

    return [row[0] for row in sorted(rows, key=merit)]
