"""Pictures that members keep, to find them again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

from bot.errors import UserError
from bot.pictures import require_seen
from bot.store import favourites, jobs
from bot.store.database import Database
from bot.store.records import Favourite, Job

ON_A_PAGE = 10
MOST_KEPT = 1_000


@dataclass(frozen=True)
class Page:
    """A page of them with their jobs, the newest first; ``number`` counts from 0."""

    kept: tuple[tuple[Job, Favourite], ...]
    number: int
    pages: int


class Favourites:
    """The service behind ``/favourites`` and the button that keeps a picture."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def toggle(self, job_id: str, place: int | None, *, member_id: int, guild_id: int | None) -> bool:
        """Keep a picture of a job, or all with no ``place``, or no longer if it is kept; whether it is now.

        Raises UserError: not to be seen, deleted, or too many are kept.
        """

        def change(tx: Connection) -> bool:
            _, found = require_seen(tx, job_id, member_id, guild_id)
            wanted = {picture.position for picture in found if place in {None, picture.position}}
            if not wanted:
                raise UserError(f"There is no picture {(place or 0) + 1} in here: the last one is {len(found)}.")
            if wanted <= favourites.positions(tx, member_id, job_id):
                favourites.remove(tx, member_id, job_id, wanted)
                return False
            if favourites.count(tx, member_id) + len(wanted) > MOST_KEPT:
                raise UserError(f"You keep {MOST_KEPT:,} favourites, and no more fit: let some go in `/favourites`.")
            favourites.add(tx, member_id, job_id, wanted, self._clock())
            return True

        return await self._database.write(change)

    async def holds(self, job_id: str, place: int, *, member_id: int) -> bool:
        """Whether the member keeps that picture."""
        return place in await self._database.read(lambda tx: favourites.positions(tx, member_id, job_id))

    async def page(self, number: int, *, member_id: int, guild_id: int | None) -> Page:
        """A page of what the member keeps and may see there; the last one if there are fewer."""

        def find(tx: Connection) -> Page:
            pages = max(1, -(-favourites.count_seen(tx, member_id, guild_id) // ON_A_PAGE))
            shown = min(number, pages - 1)
            kept = favourites.seen(tx, member_id, guild_id, offset=shown * ON_A_PAGE, limit=ON_A_PAGE)
            return Page(tuple((jobs.require(tx, each.job_id), each) for each in kept), shown, pages)

        return await self._database.read(find)
