"""Looking through the library: the gallery by filters, the search by words; both page by page, also after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

import msgspec

from bot.errors import UserError, quoted
from bot.library import LONGEST_TAG, chosen_cover
from bot.store import adapters, browses, finding, gallery, library, members
from bot.store.database import Database
from bot.store.gallery import Asked, Place
from bot.store.records import Adapter, Browse, Picture

ON_A_PAGE = 9  # a square of covers, which a phone shows at once
MOST_PAGES = 999  # what a button's number holds; who goes on asks more narrowly


class Words(msgspec.Struct, frozen=True, tag="words"):
    """What was searched for."""

    text: str


class Filters(msgspec.Struct, frozen=True, tag="filters"):
    """What a gallery shows."""

    asked: Asked
    owner: str | None = None  # by name, as it was written


@dataclass(frozen=True)
class Entry:
    """An adapter on a page, with the picture that it is shown by."""

    adapter: Adapter
    cover: Picture | None


@dataclass(frozen=True)
class GalleryPage:
    """A page; ``number`` counts from 0."""

    browse_id: str
    asked: Words | Filters
    entries: tuple[Entry, ...]
    number: int
    has_more: bool


class Browsing:
    """The service behind ``/gallery`` and ``/search``. Everybody sees what they can use, and is asked at each page."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def open(
        self, asked: Asked, *, owner: str | None = None, viewer_id: int, guild_id: int | None
    ) -> GalleryPage:
        """The first page of a gallery. Raises UserError: there is no such owner, or no tag can be like that."""
        if asked.tag is not None and len(asked.tag.strip()) > LONGEST_TAG:
            raise UserError(f"{quoted(asked.tag)} is no tag: they have up to {LONGEST_TAG} characters.")

        def find(tx: Connection) -> GalleryPage:
            owner_id = None if owner is None else _owner(tx, owner)
            tag = None if asked.tag is None else " ".join(asked.tag.lower().split())
            wanted = Filters(asked=msgspec.structs.replace(asked, owner_id=owner_id, tag=tag), owner=owner)
            return self._begin(tx, wanted, viewer_id, guild_id)

        return await self._database.write(find)

    async def search(self, text: str, *, viewer_id: int, guild_id: int | None) -> GalleryPage:
        """The first page of what has these words."""
        wanted = Words(text=text.strip()[: finding.MOST_TYPED])
        return await self._database.write(lambda tx: self._begin(tx, wanted, viewer_id, guild_id))

    async def page(self, browse_id: str, number: int, *, viewer_id: int, guild_id: int | None) -> GalleryPage:
        """Another page of a list that this member has opened. Raises UserError: somebody else's, or too old."""

        def find(tx: Connection) -> GalleryPage:
            browse = browses.get(tx, browse_id, viewer_id)
            if browse is None or number > len(browse.starts):
                raise UserError("This list is somebody else's, or too old: open one with `/gallery` or `/search`.")
            return self._show(tx, browse, number, viewer_id, guild_id)

        return await self._database.write(find)

    def _begin(self, tx: Connection, wanted: Words | Filters, viewer_id: int, guild_id: int | None) -> GalleryPage:
        browse = browses.add(tx, viewer_id, msgspec.json.encode(wanted).decode(), self._clock())
        return self._show(tx, browse, 0, viewer_id, guild_id)

    def _show(
        self, tx: Connection, browse: Browse, number: int, viewer_id: int, guild_id: int | None
    ) -> GalleryPage:  # fmt: skip
        wanted = msgspec.json.decode(browse.asked, type=Words | Filters)
        after = browse.starts[number - 1] if number else None
        found = _found(tx, wanted, viewer_id, guild_id, after)
        shown, has_more = found[:ON_A_PAGE], len(found) > ON_A_PAGE and number + 1 < MOST_PAGES
        starts = browse.starts
        if has_more and number == len(starts):
            starts = (*starts, shown[-1][0])
        browses.note(tx, browse, starts, self._clock())
        entries = tuple(Entry(adapter, _cover(tx, adapter, viewer_id, guild_id)) for _, adapter in shown)
        return GalleryPage(browse.id, wanted, entries, number, has_more)


def _found(
    tx: Connection, wanted: Words | Filters, viewer_id: int, guild_id: int | None, after: Place | None
) -> list[tuple[Place, Adapter]]:
    """A page and one more, behind that place."""
    if isinstance(wanted, Filters):
        return gallery.page(tx, wanted.asked, viewer_id, guild_id, after=after, limit=ON_A_PAGE + 1)
    begin = 0 if after is None else after[0]  # of a search the place is how many were shown
    numbers = finding.search(tx, wanted.text, viewer_id, guild_id)[begin : begin + ON_A_PAGE + 1]
    found = adapters.of_numbers(tx, numbers, viewer_id, guild_id)
    return [((begin + place, number), found[number]) for place, number in enumerate(numbers, 1) if number in found]


def _cover(tx: Connection, adapter: Adapter, viewer_id: int, guild_id: int | None) -> Picture | None:
    """As on its page."""
    newest = library.examples(tx, adapter.id, viewer_id, guild_id, 1)
    return chosen_cover(tx, adapter) or next(iter(newest), None)


def _owner(tx: Connection, name: str) -> int:
    found = members.of_name(tx, name.strip().lstrip("@"))
    if found is None:
        raise UserError(f"Nobody of that name has an adapter here: {quoted(name)} must be a Discord user name.")
    return found
