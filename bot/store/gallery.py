"""The gallery: pages of what a viewer can use, by kind, model, owner and tag, in any order and at any depth.

A page goes on behind the last row of the one before ("keyset pages"): what lies before it is never walked through. The
lists are kept by triggers (`migrations/0011_catalogue.sql`), one for each audience, facet, order and shelf.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from sqlite3 import Connection, Cursor, Row
from typing import Literal

from bot.store import adapters
from bot.store.records import Adapter, Record
from trainer.contract.drawings import AdapterKind

Sort = Literal["new", "used", "liked"]
Place = tuple[int, int]  # what the order goes by, and the adapter's number

_SORTS: dict[Sort, tuple[int, str]] = {
    "new": (0, "CAST(adapters.created_at AS INTEGER)"), "used": (1, "adapters.uses"), "liked": (2, "adapters.likes"),
}  # fmt: skip
_BEGINNING: Place = (2**62, 2**62)
_EVERYBODY = 0


class Asked(Record, frozen=True):
    """Which adapters a gallery shows, and in which order."""

    sort: Sort = "new"
    kind: AdapterKind | None = None
    base: str | None = None
    owner_id: int | None = None
    tag: str | None = None


def page(
    tx: Connection, asked: Asked, viewer_id: int, guild_id: int | None, *, after: Place | None = None, limit: int
) -> list[tuple[Place, Adapter]]:
    """Up to ``limit`` adapters behind that place, each with its own."""
    found: list[tuple[Place, Adapter]] = []
    with ExitStack() as open_lists:
        places = _merge(tx, asked, viewer_id, guild_id, after or _BEGINNING, open_lists)
        while len(found) < limit and (some := list(islice(places, limit - len(found)))):
            shown = adapters.of_numbers(tx, [number for _, number in some], viewer_id, guild_id)
            found += [(place, shown[place[1]]) for place in some if place[1] in shown]
    return found


def _merge(
    tx: Connection, asked: Asked, viewer_id: int, guild_id: int | None, after: Place, open_lists: ExitStack
) -> Iterator[Place]:
    """All lists that the viewer may look through as one, each adapter once."""
    rows = [_own_and_named(tx, asked, viewer_id, after)]
    for audience in (_EVERYBODY, *([guild_id] if guild_id is not None else [])):
        rows += [_listed(tx, asked, audience, shelf, after) for shelf in _shelves(tx, asked)]
    for cursor in rows:
        open_lists.enter_context(closing(cursor))
    last = None
    for place in heapq.merge(*(map(_place, cursor) for cursor in rows), reverse=True):
        if place != last:
            yield place
        last = place


def _place(row: Row) -> Place:
    return row[0], row[1]


def _shelves(tx: Connection, asked: Asked) -> list[int]:
    rows = tx.execute(
        "SELECT id FROM shelves WHERE (:base IS NULL OR base = :base) AND (:kind IS NULL OR kind = :kind)",
        {"base": asked.base, "kind": asked.kind},
    )
    return [row[0] for row in rows]


def _listed(tx: Connection, asked: Asked, audience: int, shelf: int, after: Place) -> Cursor:
    """One list, read as far as it is needed. Of an owner's the tag is looked up, for one owner has not many."""
    facet, and_tag = "", ""
    if asked.owner_id is not None:
        facet = f"@{asked.owner_id}"
        if asked.tag is not None:
            and_tag = (
                " AND EXISTS (SELECT 1 FROM adapters JOIN tags ON tags.adapter_id = adapters.id"
                " WHERE adapters.number = listed.number AND tag = :tag)"
            )
    elif asked.tag is not None:
        facet = f"#{asked.tag.lower()}"
    return tx.execute(
        "SELECT key, number FROM listed WHERE audience = :audience AND facet = :facet AND sort = :sort"
        f" AND shelf = :shelf AND (key, number) < (:key, :number){and_tag} ORDER BY key DESC, number DESC",
        {
            "audience": audience, "facet": facet, "sort": _SORTS[asked.sort][0], "shelf": shelf,
            "key": after[0], "number": after[1], "tag": asked.tag,
        },
    )  # fmt: skip


def _own_and_named(tx: Connection, asked: Asked, viewer_id: int, after: Place) -> Cursor:
    """What is the viewer's, or was shared with them by name: few, and sorted when they are asked for."""
    key = _SORTS[asked.sort][1]
    return tx.execute(
        f"SELECT {key} AS key, adapters.number FROM adapters WHERE adapters.id IN ("
        " SELECT id FROM adapters WHERE owner_id = :viewer"
        " UNION SELECT adapter_id FROM member_shares WHERE member_id = :viewer)"
        f" AND ({key}, adapters.number) < (:key, :number)"
        " AND (:owner IS NULL OR owner_id = :owner) AND (:base IS NULL OR base = :base)"
        " AND (:kind IS NULL OR kind = :kind) AND (:tag IS NULL OR EXISTS"
        " (SELECT 1 FROM tags WHERE tags.adapter_id = adapters.id AND tag = :tag))"
        " ORDER BY key DESC, adapters.number DESC",
        {
            "viewer": viewer_id, "key": after[0], "number": after[1], "owner": asked.owner_id, "base": asked.base,
            "kind": asked.kind, "tag": asked.tag,
        },
    )  # fmt: skip
